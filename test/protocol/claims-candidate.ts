/** A candidate of the model test of claims: it reads the stream, claims, adopts, reigns, and says what is stable. */
import { Election } from '../../src/protocol/election.js'
import { Lives } from '../../src/protocol/lives.js'
import { type Adoption, Reign } from '../../src/protocol/reign.js'
import type { ClaimRefused, SequencerHeartbeat, StoreStatus } from '../../src/wire/control.js'
import type { ClaimsEtcd } from './claims-etcd.js'
import { type Cluster, type Message, Node, tableOf } from './claims-nodes.js'
import type { Event } from './claims-world.js'

interface Rule {
  readonly epoch: number
  readonly opening: number
  readonly lives: Lives
  readonly acknowledged: Map<string, number>
  stable: number
}

let ids = 0

export class CandidateNode extends Node {
  machine!: Reign
  #election: Election | undefined
  #incarnation = 0
  #rank: number
  rule: Rule | undefined
  #adoption: Adoption | undefined

  constructor(cluster: Cluster, name: string, rank: number) {
    super(cluster, name)
    this.#rank = rank
  }

  readonly promised = 0

  readable(): readonly Event[] {
    return this.log
  }

  onStart(): void {
    const { random } = this.world
    this.log = []
    this.table = []
    this.rule = undefined
    this.#adoption = undefined
    this.#incarnation = random.integer(1, 2 ** 40)
    this.machine = new Reign(
      {
        voters: this.cluster.voters.map(({ name }) => name),
        incarnation: this.#incarnation,
        name: this.name,
        rank: this.#rank,
        jitter: random,
        manual: false,
        isElected: this.cluster.etcd !== undefined,
        knownEpoch: 0,
      },
      {
        ownLog: () => ({ lastEpoch: this.log.at(-1)?.epoch ?? 0, lastSequence: this.log.length }),
        sendClaim: (body) => {
          this.cluster.count('claims')
          this.broadcast({ kind: 'claim', body, sender: this.#incarnation })
        },
        adopt: (adoption) => this.#adopt(adoption),
        suspected: () => this.cluster.count('suspicions'),
        stateChanged: (state) => {
          if (state === 'watching') this.#adoption = undefined
          if (state === 'watching') this.#election?.release(this.world.nowUs)
          if (state === 'electing') this.#election?.seek(this.world.nowUs)
        },
        failed: (error) => {
          throw error
        },
      },
    )
    this.#election = this.cluster.etcd === undefined ? undefined : this.#createElection(this.cluster.etcd)
    if (random.chance(0.3))
      this.later(random.integer(0, 50_000), () => this.machine.takeOver('started', this.world.nowUs))
    this.#tick()
    this.#speak()
  }

  #createElection(etcd: ClaimsEtcd): Election {
    const { machine, world } = this
    const election = new Election(
      { session: 'S', prefix: 'p', incarnation: this.#incarnation, name: this.name },
      {
        call: (call) => etcd.call(call, this, (tell) => tell(election)),
        known: () => machine,
        elected: (epoch) => {
          this.cluster.count('elections')
          machine.elected(epoch, world.nowUs)
        },
        notElected: (reason) => {
          this.cluster.count('lost elections')
          machine.notElected(reason, world.nowUs)
        },
      },
    )
    return election
  }

  onMessage(message: Message): void {
    const { machine } = this
    const { nowUs } = this.world
    if (message.kind === 'claim') machine.onClaim(message.body.epoch, message.sender, nowUs)
    else if (message.kind === 'grant') machine.onGrant(message.body, message.from, nowUs)
    else if (message.kind === 'request') this.answer(message.from, message.sequence)
    else if (message.kind === 'claimRefused') this.#onRefused(message.body)
    else if (message.kind === 'store') this.#onStatus(message.body)
    else if (message.kind === 'events') this.#onEvents(message.events, message.isAnswer)
    else this.#onSequencer(message.body, message.sender, message.from)
  }

  protected truncated(): void {}
  protected appended(): void {}

  #onEvents(events: readonly Event[], isAnswer: boolean): void {
    if (!isAnswer) this.machine.onEvents(this.world.nowUs)
    if (this.rule === undefined && this.#adoption === undefined) this.record(events)
  }

  #onSequencer(heartbeat: SequencerHeartbeat, sender: number, from: string): void {
    this.machine.onHeartbeat(heartbeat.epoch, sender, heartbeat.state, this.world.nowUs)
    if (this.rule !== undefined && heartbeat.epoch > this.rule.epoch) this.#stop('newer-epoch')
    if (this.rule === undefined && this.#adoption === undefined) this.follow(heartbeat, from)
  }

  #onRefused(refused: ClaimRefused): void {
    this.machine.onRefused(refused, this.world.nowUs)
    const isOurs = refused.candidate === this.#incarnation
    if (isOurs && this.rule !== undefined && refused.promised > this.rule.epoch) this.#stop('refused')
  }

  #onStatus(status: StoreStatus): void {
    this.machine.onStatus(status, this.world.nowUs)
    const { rule } = this
    if (rule === undefined) return
    if (status.promised > rule.epoch) {
      this.#stop('promised')
      return
    }
    const { lives = {}, life = 0, voter, epoch, durableSequence } = status
    for (const name of rule.lives.merge(lives)) rule.acknowledged.set(name, 0)
    const isCurrent = rule.lives.isCurrent(voter, life)
    if (epoch !== rule.epoch || !isCurrent) return
    rule.acknowledged.set(voter, durableSequence)
    const descending = this.cluster.voters.map(({ name }) => rule.acknowledged.get(name) ?? 0).sort((a, b) => b - a)
    const stable = descending[Math.floor(descending.length / 2)] ?? 0
    if (stable < rule.opening) return
    for (; rule.stable < stable; rule.stable++) this.cluster.stable(rule.epoch, this.log[rule.stable]!)
  }

  #adopt(adoption: Adoption): void {
    this.#adoption = adoption
    this.cluster.count(`adopted from ${adoption.from}`)
    this.later(this.world.random.integer(100, 8_000), () => {
      if (this.#adoption !== adoption) return
      const { machine, world } = this
      if (adoption.from === 'store') {
        const store = this.cluster.voters.find(({ name }) => name === adoption.voter)
        const through = adoption.throughSequence
        const log = store?.isUp === true ? store.readable().slice(0, through) : []
        if (log.length < through || (log.at(-1)?.epoch ?? 0) !== adoption.lastEpoch) {
          this.cluster.count('failed adoptions')
          machine.adoptionFailed('the store has not got it', world.nowUs)
          return
        }
        this.log = [...log]
      }
      this.#open(adoption)
    })
  }

  #open({ epoch, lives }: Adoption): void {
    this.cluster.opened(epoch, this.log)
    this.#adoption = undefined
    this.rule = { epoch, opening: this.log.length + 1, lives: new Lives(lives), acknowledged: new Map(), stable: 0 }
    this.#sequence()
    this.table = tableOf(this.log)
    this.machine.adopted(this.world.nowUs)
    this.#heartbeat()
  }

  #stop(reason: string): void {
    this.cluster.count(`stopped: ${reason}`)
    this.rule = undefined
    this.machine.steppedDown(reason, this.world.nowUs)
  }

  #sequence(): void {
    if (this.rule === undefined) return
    const event = { sequence: this.log.length + 1, epoch: this.rule.epoch, id: ++ids }
    this.log.push(event)
    this.broadcast({ kind: 'events', events: [event], isAnswer: false })
  }

  #heartbeat(): void {
    if (this.rule === undefined) return
    const { epoch, lives, stable } = this.rule
    const body: SequencerHeartbeat = {
      ...{ epoch, nextSequence: this.log.length + 1, stableSequence: stable, publishedIsStable: false },
      ...{
        epochTable: tableOf(this.log),
        state: 'open',
        held: false,
        requestPort: 0,
        counters: {},
        lives: lives.entries,
      },
    }
    this.broadcast({ kind: 'sequencer', body, sender: this.#incarnation, from: this.name })
  }

  #speak(): void {
    this.#heartbeat()
    this.#sequence()
    this.later(this.world.random.integer(5_000, 30_000), () => this.#speak())
  }

  #tick(): void {
    if (this.rule === undefined && this.#adoption === undefined) this.askForMissing()
    this.machine.tick(this.world.nowUs)
    this.#election?.tick(this.world.nowUs)
    this.later(this.world.random.integer(1_000, 20_000), () => this.#tick())
  }
}
