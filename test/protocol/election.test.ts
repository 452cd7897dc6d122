/**
 * Elections by a model of an etcd: several candidates, calls that are slow, lost before or after they were done, leases that end,
 * an etcd that loses its data or is written to by others. An epoch is given to one candidate as long as the etcd keeps
 * what it has; whatever it does, somebody is elected in the end, and no number leaps ahead.
 */
import { test } from 'tap'
import { Prng } from '../../src/core/prng.js'
import { Election } from '../../src/protocol/election.js'
import type { EtcdCall } from '../../src/wire/etcd.js'
import { GARBAGE, ModelEtcd } from './model-etcd.js'

const SEEDS = 400
const CANDIDATES = 3
const STEPS = 400

interface Candidate {
  readonly election: Election
  call: { readonly call: EtcdCall; readonly dueUs: number } | undefined
  unwon: number
  wins: number
}

/** Elections in turns: each seeks until it is elected, reigns for a while, and releases. */
class Model {
  readonly etcd = new ModelEtcd()
  readonly random: Prng
  readonly candidates: Candidate[] = []
  nowUs = 0
  known = 0
  isFaulty = true
  hasKeptItsData = true
  /** Who was given which epoch. */
  readonly given = new Map<number, number>()
  problem = ''

  constructor(seed: number) {
    this.random = new Prng(seed)
    for (let i = 1; i <= CANDIDATES; i++) this.#add(i)
  }

  #add(incarnation: number): void {
    const candidate: Candidate = {
      election: new Election(
        { session: 'S', prefix: 'p', incarnation, name: `n${incarnation}` },
        {
          call: (call) => {
            candidate.call = { call, dueUs: this.nowUs + this.random.integer(100, this.isFaulty ? 900_000 : 2_000) }
          },
          known: () => ({ known: this.known, unwon: candidate.unwon }),
          elected: (epoch) => this.#elected(candidate, incarnation, epoch),
          notElected: () => {},
        },
      ),
      call: undefined,
      unwon: 0,
      wins: 0,
    }
    this.candidates.push(candidate)
  }

  #elected(candidate: Candidate, incarnation: number, epoch: number): void {
    const other = this.given.get(epoch)
    if (this.hasKeptItsData && other !== undefined && other !== incarnation) {
      this.problem = `epoch ${epoch} was given to ${other} and to ${incarnation}`
    }
    if (epoch > this.known + 101) this.problem = `epoch ${epoch} leaps over ${this.known}`
    this.given.set(epoch, incarnation)
    // The voters grant it or do not.
    if (epoch > this.known && (!this.isFaulty || this.random.chance(0.7))) {
      this.known = epoch
      candidate.wins++
    } else candidate.unwon = epoch
  }

  step(): void {
    const { random } = this
    this.nowUs += random.integer(100, 400_000)
    if (this.isFaulty && random.chance(0.01)) {
      this.hasKeptItsData = false
      if (random.chance(0.5)) this.etcd.wipe()
      else
        this.etcd.put(
          random.chance(0.5) ? 'p/S/epoch' : 'p/S/candidate',
          GARBAGE[random.integer(0, GARBAGE.length - 1)] ?? '',
        )
    }
    for (const candidate of this.candidates) {
      const { election } = candidate
      if (election.state === 'idle' && random.chance(0.3)) election.seek(this.nowUs)
      else if (election.state === 'elected' && random.chance(0.2)) election.release(this.nowUs)
      this.#answer(candidate)
      election.tick(this.nowUs)
    }
  }

  #answer(candidate: Candidate): void {
    const { call } = candidate
    if (call === undefined || this.nowUs < call.dueUs) return
    candidate.call = undefined
    const isLostBefore = this.isFaulty && this.random.chance(0.1)
    const answer = isLostBefore ? undefined : this.etcd.do(call.call, this.nowUs)
    const isLost = answer === undefined || (this.isFaulty && this.random.chance(0.1))
    if (isLost) candidate.election.onFailure({ reason: 'lost', isNotFound: false }, this.nowUs)
    else if (answer === 'not-found') candidate.election.onFailure({ reason: 'no lease', isNotFound: true }, this.nowUs)
    else candidate.election.onAnswer(answer, this.nowUs)
  }
}

test('an epoch is given to one candidate, and no number leaps ahead', (t) => {
  let elections = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const model = new Model(seed)
    for (let i = 0; i < STEPS && model.problem === ''; i++) model.step()
    elections += model.given.size
    if (model.problem !== '') return void t.fail(`seed ${seed}: ${model.problem}`)
    // The faults are over: whatever the etcd has now, somebody is elected.
    model.isFaulty = false
    const before = model.known
    for (let i = 0; i < STEPS && model.known === before; i++) model.step()
    if (model.known === before) return void t.fail(`seed ${seed}: nobody is elected any more`)
  }
  t.ok(elections > SEEDS * 5, `${elections} elections`)
  t.end()
})
