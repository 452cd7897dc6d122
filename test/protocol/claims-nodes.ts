/** The processes of the model test of claims: voters with disks, and candidates that reign. Around the real machines. */
import { isTableOf } from '../../src/protocol/epoch-agreement.js'
import { Lives } from '../../src/protocol/lives.js'
import { type Adoption, Reign } from '../../src/protocol/reign.js'
import { type StoredPromise, Voter, type VoterState } from '../../src/protocol/voter.js'
import type {
  Claim,
  ClaimRefused,
  EpochTableEntry,
  Grant,
  SequencerHeartbeat,
  StoreStatus,
} from '../../src/wire/control.js'
import { type Event, Process, type World } from './claims-world.js'

/** What a test breaks, to see that the model notices. */
export type Mutant = 'none' | 'fence-off' | 'promise-not-kept' | 'empty-votes'

export interface Cluster {
  readonly world: World
  readonly mutant: Mutant
  readonly voters: VoterNode[]
  readonly candidates: CandidateNode[]
  opened(epoch: number, log: readonly Event[]): void
  stable(epoch: number, event: Event): void
  count(what: string): void
}

type Message =
  | { kind: 'claim'; body: Claim; sender: number }
  | { kind: 'grant'; body: Grant; from: string }
  | { kind: 'claimRefused'; body: ClaimRefused }
  | { kind: 'sequencer'; body: SequencerHeartbeat; sender: number; from: string }
  | { kind: 'store'; body: StoreStatus }
  | { kind: 'events'; events: readonly Event[]; isAnswer: boolean }
  | { kind: 'request'; from: Node; sequence: number }

export function tableOf(log: readonly Event[]): EpochTableEntry[] {
  const table: EpochTableEntry[] = []
  for (const { epoch, sequence } of log) if (epoch !== table.at(-1)?.epoch) table.push({ epoch, sequence })
  return table
}

function epochAt(table: readonly EpochTableEntry[], sequence: number): number {
  return table.findLast((entry) => entry.sequence <= sequence)?.epoch ?? 0
}

/** Records the stream as the newest epoch table admits it, and asks for what it lacks. */
export abstract class Node extends Process {
  protected readonly cluster: Cluster
  log: Event[] = []
  protected table: readonly EpochTableEntry[] = []
  #announced = 0
  #lastSender = ''

  constructor(cluster: Cluster, name: string) {
    super(cluster.world, name)
    this.cluster = cluster
  }

  abstract onMessage(message: Message): void
  protected abstract readonly promised: number
  protected abstract truncated(fromSequence: number): void
  protected abstract appended(): void
  protected abstract readable(): readonly Event[]

  broadcast(message: Message): void {
    const nodes: readonly Node[] = [...this.cluster.voters, ...this.cluster.candidates]
    for (const node of nodes) if (node !== this) this.sendTo(node, message)
  }

  sendTo(node: Node, message: Message): void {
    this.world.send(this.name, node, () => node.onMessage(message))
  }

  protected follow({ epoch, epochTable, nextSequence }: SequencerHeartbeat, from: string): void {
    if (epoch < this.promised || !isTableOf(epoch, epochTable)) return
    const known = this.table.at(-1)?.epoch ?? 0
    if (epoch < known) return
    if (epoch > known) {
      this.table = epochTable
      const parted = this.log.find((event) => epochAt(epochTable, event.sequence) !== event.epoch)
      if (parted !== undefined) this.truncate(parted.sequence)
      this.#announced = 0
    }
    this.#announced = Math.max(this.#announced, nextSequence)
    this.#lastSender = from
  }

  truncate(fromSequence: number): void {
    if (fromSequence > this.log.length) return
    this.cluster.count('truncations')
    this.log = this.log.slice(0, fromSequence - 1)
    this.truncated(fromSequence)
  }

  protected record(events: readonly Event[]): void {
    const before = this.log.length
    for (const event of events) {
      const isNext = event.sequence === this.log.length + 1
      if (isNext && epochAt(this.table, event.sequence) === event.epoch) this.log.push(event)
    }
    if (this.log.length > before) this.appended()
  }

  protected askForMissing(): void {
    if (this.log.length + 1 >= this.#announced) return
    const nodes = [...this.cluster.voters, ...this.cluster.candidates]
    const sender = nodes.find((node) => node.name === this.#lastSender)
    const other = nodes[this.world.random.integer(0, nodes.length - 1)]
    const asked = this.world.random.chance(0.5) ? sender : other
    if (asked !== undefined) this.sendTo(asked, { kind: 'request', from: this, sequence: this.log.length + 1 })
  }

  protected answer(to: Node, sequence: number): void {
    this.sendTo(to, { kind: 'events', events: this.readable().slice(sequence - 1, sequence + 60), isAnswer: true })
  }
}

export class VoterNode extends Node {
  machine!: Voter
  #diskLog: readonly Event[] = []
  #diskPromise: StoredPromise | undefined
  #durable = 0
  #syncedAtUs = 0
  #generation = 0
  /** It has lost its disk and does not vote again yet. */
  hasLost = false

  get state(): VoterState {
    return this.machine.state
  }

  get promised(): number {
    return this.machine.promised
  }

  readable(): readonly Event[] {
    return this.log.slice(0, this.#durable)
  }

  loseDisk(): void {
    this.#diskLog = []
    this.#diskPromise = undefined
    this.hasLost = true
    this.cluster.count('lost disks')
  }

  onStart(): void {
    const { random } = this.world
    this.log = [...this.#diskLog]
    this.#durable = this.log.length
    this.#generation++
    this.table = tableOf(this.log)
    const node = this
    const view = {
      get lastEpoch(): number {
        return node.log[node.#durable - 1]?.epoch ?? 0
      },
      get durableSequence(): number {
        return node.#durable
      },
      get epochTable(): EpochTableEntry[] {
        return tableOf(node.readable())
      },
    }
    this.machine = new Voter({ voter: this.name, nonce: random.integer(1, 2 ** 40) }, view, this.#stored(), {
      persist: (promise) =>
        this.later(random.integer(100, 6_000), () => {
          if (this.cluster.mutant !== 'promise-not-kept') this.#diskPromise = structuredClone(promise)
          this.machine.persisted(this.world.nowUs)
          this.#say()
        }),
      send: (...said) => {
        if (said[0] === 'grant') this.broadcast({ kind: 'grant', body: said[1], from: this.name })
        else this.broadcast({ kind: 'claimRefused', body: said[1] })
      },
      truncate: (from) => this.truncate(from),
      stateChanged: (next) => {
        if (next === 'voting' && this.hasLost) this.cluster.count('recovered voters')
        if (next === 'voting') this.hasLost = false
        this.#say()
      },
    })
    this.#tick()
  }

  onMessage(message: Message): void {
    const { nowUs } = this.world
    if (message.kind === 'claim') this.machine.onClaim(message.body, message.sender, nowUs)
    else if (message.kind === 'store') this.machine.onStatus(message.body, nowUs)
    else if (message.kind === 'events') this.record(message.events)
    else if (message.kind === 'request') this.answer(message.from, message.sequence)
    else if (message.kind === 'sequencer') {
      this.follow(message.body, message.from)
      this.machine.onSequencer(message.body, message.sender, nowUs)
    }
  }

  #stored(): StoredPromise | undefined {
    if (this.#diskPromise !== undefined || this.cluster.mutant !== 'empty-votes' || !this.hasLost)
      return this.#diskPromise
    const lives = this.cluster.voters.find((voter) => voter !== this)?.machine?.status().lives ?? {}
    this.hasLost = false
    return { epoch: 0, candidate: 0, life: lives[this.name] ?? 1, lives }
  }

  #tick(): void {
    this.askForMissing()
    this.#say()
    this.later(20_000, () => this.#tick())
  }

  #say(): void {
    if (!this.isUp) return
    const status = this.machine.status()
    if (this.cluster.mutant === 'fence-off')
      Object.assign(status, { epoch: this.table.at(-1)?.epoch ?? 0, promised: 0 })
    const rest = {
      name: this.name,
      voter: this.name,
      committedSequence: 0,
      requestPort: 0,
      rewindPort: 0,
      counters: {},
    }
    this.broadcast({ kind: 'store', body: { ...rest, state: 'live', ...status } })
  }

  protected truncated(fromSequence: number): void {
    this.#durable = Math.min(this.#durable, fromSequence - 1)
    this.#generation++
    this.appended()
  }

  protected appended(): void {
    const written = [...this.log]
    const generation = this.#generation
    const { nowUs, random } = this.world
    // One write after the other.
    this.#syncedAtUs = Math.max(this.#syncedAtUs + 1, nowUs + (random.chance(0.05) ? 40_000 : 1_500))
    this.later(this.#syncedAtUs - nowUs, () => {
      this.#diskLog = written
      if (generation !== this.#generation || written.length < this.#durable) return
      this.#durable = written.length
      this.machine.onDurable(this.world.nowUs)
      this.#say()
    })
  }
}

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
        },
        failed: (error) => {
          throw error
        },
      },
    )
    if (random.chance(0.3))
      this.later(random.integer(0, 50_000), () => this.machine.takeOver('started', this.world.nowUs))
    this.#tick()
    this.#speak()
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
    this.later(this.world.random.integer(1_000, 20_000), () => this.#tick())
  }
}
