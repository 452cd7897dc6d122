/** The processes of the model test of claims, around the real machines: what all have in common, and voters with disks. */
import { isTableOf } from '../../src/protocol/epoch-agreement.js'
import { type StoredPromise, Voter, type VoterState } from '../../src/protocol/voter.js'
import type {
  Claim,
  ClaimRefused,
  EpochTableEntry,
  Grant,
  SequencerHeartbeat,
  StoreStatus,
} from '../../src/wire/control.js'
import type { CandidateNode } from './claims-candidate.js'
import type { ClaimsEtcd } from './claims-etcd.js'
import { type Event, Process, type World } from './claims-world.js'

/** What a test breaks, to see that the model notices. */
export type Mutant = 'none' | 'fence-off' | 'promise-not-kept' | 'empty-votes'

export interface Cluster {
  readonly world: World
  readonly mutant: Mutant
  readonly voters: VoterNode[]
  readonly candidates: CandidateNode[]
  /** Where it chooses who claims. */
  readonly etcd?: ClaimsEtcd
  opened(epoch: number, log: readonly Event[]): void
  stable(epoch: number, event: Event): void
  count(what: string): void
}

export type Message =
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
