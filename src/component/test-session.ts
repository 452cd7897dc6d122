/**
 * A whole session in memory, without a socket, a clock or a thread: the real sequencer, any number of replicas, and a hand
 * on everything in between. Time moves only when it is told to, so a test that passes once always passes.
 *
 * `settle` runs until nothing is under way. Tests of failures use the finer steps: `sequence` takes the commands that are
 * under way, `deliver` gives one replica what it has not handled yet.
 */
import { DEFAULT_DATAGRAM_BYTES } from '../core/limits.js'
import type { EventLogReader, RunVisitor } from '../protocol/event-log.js'
import { Sequencer } from '../protocol/sequencer.js'
import type { AdminRequest, ControlBodies, ControlKind } from '../wire/control.js'
import {
  BLOCK_LENGTH_BYTES,
  MOLD_END_OF_SESSION,
  MOLD_HEADER_BYTES,
  MOLD_HEARTBEAT,
  moldCount,
  moldSequence,
  skipBlocks,
} from '../wire/moldudp64.js'
import type { Component } from './definition.js'
import type { HostOptions } from './host-options.js'
import { TestPublisher } from './test-publisher.js'
import { ReplicaProcess, type TestReplica, type TestReplicaOptions } from './test-replica.js'

export interface TestSessionOptions {
  readonly session?: string
  readonly datagramBytes?: number
  /** Stream time at the beginning, microseconds since the Unix epoch. */
  readonly startUs?: number
  /** True: events become stable when `stable` is called. False (default): at once. */
  readonly manualStability?: boolean
  /** True: replicas take a checkpoint whenever they can, and begin at one after a revocation. */
  readonly checkpoints?: boolean
  /** Components whose seed the session awaits, besides those that were active in the one before. */
  readonly seeders?: readonly string[]
}

interface Run {
  readonly sequence: number
  readonly count: number
  /** Message blocks, from the first byte to the last. */
  readonly bytes: Uint8Array
}

const DEFAULT_START_US = Date.UTC(2026, 0, 5, 9) * 1_000
const VOTER = 'test'
/** Packets and rounds without end are a component that answers itself: an error, not a hang. */
const MAX_ROUNDS = 10_000
/** Turns of the event loop without anything new, after which promises count as done. */
const QUIET_TURNS = 3
const RESEND_US = 1_000_000

export class TestSession {
  readonly session: string
  /** Everything that was sequenced, as a recorded session. */
  readonly log: EventLogReader
  /** Packets on their way to the sequencer; a test may drop, repeat or reorder them. */
  readonly commandsUnderWay: Uint8Array[] = []
  readonly #manualStability: boolean
  readonly #checkpoints: boolean
  readonly #processes: ReplicaProcess[] = []
  readonly #runs: Run[] = []
  readonly #publisher: TestPublisher
  readonly #startUs: number
  readonly #datagramBytes: number
  readonly #options: TestSessionOptions
  readonly #before: TestSession | undefined
  #sequencer: Sequencer
  /** What the sequencers before the present one had made stable. */
  #stableBefore = 0
  #elapsedUs = 0
  #nextNonce = 1
  #refusal = ''
  /** One count for the whole chain of sessions. */
  #incarnations = { next: 1 }

  /** @param before the session that has ended and names this one as its successor */
  constructor(options: TestSessionOptions = {}, before?: TestSession) {
    const { session = 'TEST', datagramBytes = DEFAULT_DATAGRAM_BYTES, startUs = DEFAULT_START_US } = options
    this.session = session
    this.#options = options
    this.#before = before
    if (before !== undefined) {
      this.#elapsedUs = before.nowUs
      this.#incarnations = before.#incarnations
    }
    this.#startUs = startUs
    this.#manualStability = options.manualStability ?? false
    this.#checkpoints = options.checkpoints ?? false
    this.log = { read: (from, maxPackets, visit) => this.#read(from, maxPackets, visit), sequenceAtTime: () => 1 }
    this.#datagramBytes = datagramBytes
    this.#publisher = new TestPublisher(session, datagramBytes)
    this.#sequencer = this.#createSequencer()
    this.sequencer.open(this.nowUs, this.wallUs)
    this.#publish()
  }

  /** The one that reigns: another one after `failOver`. */
  get sequencer(): Sequencer {
    return this.#sequencer
  }

  get replicas(): readonly TestReplica[] {
    return this.#processes
  }

  /** Events up to here can't be revoked. */
  get stableSequence(): number {
    return Math.max(this.#stableBefore, this.sequencer.stableSequence)
  }

  /** Monotonic microseconds. */
  get nowUs(): number {
    return this.#elapsedUs
  }

  /** Stream time, microseconds since the Unix epoch. */
  get wallUs(): number {
    return this.#startUs + this.#elapsedUs
  }

  /** Adds a replica that has handled nothing yet; `deliver` or `settle` gives it the session from its first event on. */
  addReplica(component: Component, options: TestReplicaOptions = {}): TestReplica {
    const incarnation = options.incarnation ?? this.#incarnations.next++
    const instance = options.instance ?? `replica-${incarnation}`
    const { session } = this
    const hostOptions: HostOptions = { ...options, session, instance, incarnation, mode: 'replica' }
    const send = (packet: Uint8Array): void => void this.commandsUnderWay.push(packet)
    const replica = new ReplicaProcess(component, hostOptions, send, this.#checkpoints)
    this.#processes.push(replica)
    return replica
  }

  /** The replica is gone, as after a kill: it hears and says nothing more. */
  removeReplica(replica: TestReplica): void {
    const process = this.#processOf(replica)
    if (process !== undefined) this.#processes.splice(this.#processes.indexOf(process), 1)
  }

  /** Sequences an event that comes from outside of every component. @returns its sequence */
  publish(type: number, payload: Uint8Array): number {
    if (this.sequencer.state === 'seeding') throw new Error(`session ${this.session} is not open yet: settle it first`)
    this.#publisher.publish(type, payload, this.nowUs)
    this.#publish()
    return this.sequencer.nextSequence - 1
  }

  /** Which replica is active is decided by an event; this sequences it. @throws Error where the sequencer refuses */
  activate(component: string, replica: TestReplica): void {
    const { instance, incarnation } = replica
    this.#admin({ action: 'activate', component, instance, incarnation, reason: 'test' })
  }

  passivate(component: string): void {
    this.#admin({ action: 'passivate', component, instance: '', incarnation: 0, reason: 'test' })
  }

  /** Asks every replica of a component ('' for all components) for a digest. */
  requestDigest(component: string): void {
    this.#admin({ action: 'digest', component, instance: '', incarnation: 0, reason: 'test' })
  }

  /**
   * Ends the session, lets every replica handle all of it, and goes on in the next one: with each replica as the same process. `settle`
   * there sends the seeds and opens it.
   * @param successor default: the number at the end of the name, plus one
   * @throws Error where the sequencer refuses
   */
  roll(successor = successorOf(this.session)): TestSession {
    const next = this.end(successor)
    for (const replica of [...this.#processes]) {
      this.deliver(replica)
      if (replica.host.successor !== '') next.adopt(replica)
    }
    return next
  }

  /** Ends the session, and begins the next one, in which nobody is yet. Replicas of this one go over by `adopt`. */
  end(successor: string): TestSession {
    const sequence = this.sequencer.roll(successor, 'test', this.nowUs, this.wallUs)
    if (typeof sequence === 'string') throw new Error(sequence)
    this.sequencer.flush(this.nowUs, this.wallUs)
    if (this.#manualStability) this.stable(sequence)
    return new TestSession({ ...this.#options, session: successor }, this)
  }

  /** A replica of the session before, which has handled all of it, goes on here. @throws Error where it has not */
  adopt(replica: TestReplica): void {
    const before = this.#before
    const process = before === undefined ? undefined : before.#processOf(replica)
    if (before === undefined || process === undefined || process.host.successor !== this.session) {
      throw new Error(`the replica is not at the end of the session before ${this.session}`)
    }
    before.#processes.splice(before.#processes.indexOf(process), 1)
    process.roll(this.session, (packet) => this.commandsUnderWay.push(packet))
    this.#processes.push(process)
  }

  endSession(): void {
    this.#admin({ action: 'end-session', component: '', instance: '', incarnation: 0, reason: 'test' })
  }

  /** Time goes on; nothing else happens. */
  advance(us: number): void {
    this.#elapsedUs += us
  }

  /** Sequences a `Tick`, so that what is due by now happens. */
  tick(): void {
    this.#elapsedUs += 1 // The sequencer ticks only where time has passed since the last event.
    this.sequencer.tick(this.nowUs, this.wallUs)
  }

  /** Makes everything up to a sequence stable; for `manualStability`. */
  stable(sequence: number): void {
    const body = {
      name: VOTER,
      voter: VOTER,
      epoch: 1,
      promised: 0,
      lastEpoch: 1,
      durableSequence: sequence,
      committedSequence: sequence,
      requestPort: 0,
      rewindPort: 0,
      state: 'recording',
      counters: {},
    }
    this.sequencer.onControl({ session: this.session, sender: 1, kind: 'store', body }, this.nowUs, this.wallUs)
    this.sequencer.flush(this.nowUs, this.wallUs)
  }

  /**
   * The sequencer is gone, and another one reigns, which has the events up to `lastSequence` only. Replicas hear of it when they are given
   * events next: those that had handled more begin again, as the same process. For `manualStability`.
   * @throws Error where a stable event would be revoked, or the session's own first two events
   */
  failOver(lastSequence = this.sequencer.nextSequence - 1): void {
    const { epoch } = this.sequencer
    const least = Math.max(2, this.stableSequence)
    this.#stableBefore = this.stableSequence
    if (!this.#manualStability || lastSequence < least) throw new Error(`events up to ${least} stay`)
    const runs = this.#runs.splice(0)
    this.#sequencer = this.#createSequencer()
    for (const { sequence, count, bytes } of runs) {
      const kept = Math.min(count, lastSequence + 1 - sequence)
      if (kept <= 0) break
      const run = { sequence, count: kept, bytes: bytes.subarray(0, skipBlocks(bytes, 0, kept)) }
      this.#runs.push(run)
      this.#sequencer.rebuild(sequence, kept, run.bytes, 0, run.bytes.length)
    }
    for (const replica of this.#processes) replica.revoke(lastSequence + 1)
    this.#sequencer.open(this.nowUs, this.wallUs, epoch + 1, 'test')
    this.#publisher.revoked(lastSequence + 1, epoch + 1, this.nowUs)
    this.#publish()
  }

  /** The sequencer takes all commands that are under way. @returns how many packets */
  sequence(): number {
    const packets = this.commandsUnderWay.splice(0)
    for (const packet of packets) this.sequencer.onCommandPacket(packet, this.nowUs, this.wallUs)
    this.sequencer.flush(this.nowUs, this.wallUs)
    return packets.length
  }

  /** Gives a replica at most so many of the packets that it has not handled. @returns how many it got */
  deliver(replica: TestReplica, maxPackets = Number.POSITIVE_INFINITY): number {
    const known = this.#processOf(replica)
    if (known === undefined) return 0
    known.learn()
    const from = known.cursor
    while (known.cursor < this.#runs.length && known.cursor - from < maxPackets) {
      const { sequence, count, bytes } = this.#runs[known.cursor]!
      known.cursor++
      // A host that has begun at a checkpoint has the events before.
      const skipped = Math.max(0, known.host.nextSequence - sequence)
      if (skipped >= count) continue
      const start = skipBlocks(bytes, 0, skipped)
      // As a rewind does it: the bytes are lent, and the next run is written over them.
      const lent = new Uint8Array(bytes)
      known.host.onRun(sequence + skipped, count - skipped, lent, start, lent.length, this.nowUs)
      lent.fill(0)
      known.handled(bytes.subarray(skipBlocks(bytes, 0, count - 1) + BLOCK_LENGTH_BYTES))
    }
    known.host.onStable(this.sequencer.stableSequence, this.nowUs)
    if (known.cursor === this.#runs.length) known.host.onCaughtUp(this.nowUs)
    known.host.flush(this.nowUs)
    return known.cursor - from
  }

  /** Runs until nothing is under way any more. Does not wait for promises, and no time passes. */
  settle(): void {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      let moved = this.sequence()
      for (const replica of this.replicas) moved += this.deliver(replica)
      if (moved === 0 && this.commandsUnderWay.length === 0) return
    }
    throw new Error('the session does not settle: a component answers its own events without end')
  }

  /**
   * As `settle`, and lets promises (of effects and input) go on in between, until all is quiet. Files and sockets take
   * longer than that: await them first.
   */
  async settled(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; ) {
      const runs = this.#runs.length
      this.settle()
      await new Promise((resolve) => setImmediate(resolve))
      for (const { host } of this.replicas) host.flush(this.nowUs)
      quiet = this.#runs.length === runs && this.commandsUnderWay.length === 0 ? quiet + 1 : 0
    }
  }

  /** What outboxes and registrations repeat after a silence: time passes, and they are asked. */
  resend(us = RESEND_US): void {
    this.advance(us)
    for (const { host } of this.replicas) {
      host.tick(this.nowUs)
      host.flush(this.nowUs)
    }
  }

  #createSequencer(): Sequencer {
    const voters = this.#manualStability ? [VOTER] : []
    const { session } = this
    const incarnation = Number.MAX_SAFE_INTEGER
    const { seeders = [] } = this.#options
    const sequencer = new Sequencer(
      { session, datagramBytes: this.#datagramBytes, voters, incarnation, requestPort: 1, tickUs: 1, seeders },
      {
        sendEvents: (packet) => this.#record(packet),
        sendAnswer: () => {},
        sendControl: (kind, body) => this.#onControl(kind, body),
        stateChanged: () => {},
      },
    )
    if (this.#before !== undefined) sequencer.goOnFrom(this.#before.sequencer.predecessor)
    return sequencer
  }

  #processOf(replica: TestReplica): ReplicaProcess | undefined {
    return this.#processes.find((each) => each === replica)
  }

  #publish(): void {
    for (;;) {
      this.#publisher.onStable(this.sequencer.stableSequence)
      const packets = this.#publisher.takePackets()
      if (packets.length === 0) return
      for (const packet of packets) this.sequencer.onCommandPacket(packet, this.nowUs, this.wallUs)
      this.sequencer.flush(this.nowUs, this.wallUs)
    }
  }

  #record(packet: Uint8Array): void {
    const count = moldCount(packet)
    if (count === MOLD_HEARTBEAT || count === MOLD_END_OF_SESSION) return
    const run = { sequence: moldSequence(packet), count, bytes: packet.slice(MOLD_HEADER_BYTES) }
    this.#runs.push(run)
    this.#publisher.onRun(run.sequence, count, run.bytes, this.nowUs)
  }

  #admin(request: Omit<AdminRequest, 'nonce' | 'expectedTerm'>): void {
    const body = { ...request, nonce: this.#nextNonce++, expectedTerm: 0 }
    const message = { session: this.session, sender: 1, kind: 'adminRequest', body } as const
    this.#refusal = ''
    this.sequencer.onControl(message, this.nowUs, this.wallUs)
    this.sequencer.flush(this.nowUs, this.wallUs)
    if (this.#refusal !== '') throw new Error(`${request.action}: ${this.#refusal}`)
  }

  #onControl<K extends ControlKind>(kind: K, body: ControlBodies[K]): void {
    if (kind === 'adminReply' && 'error' in body) this.#refusal = body.error
    if (kind !== 'refused' || !('reason' in body) || !('nonce' in body)) return
    for (const { host } of this.replicas) host.onRefused(body.nonce, body.reason)
  }

  #read(from: number, maxPackets: number, visit: RunVisitor): number {
    let visited = 0
    let next = from
    for (const { sequence, count, bytes } of this.#runs) {
      if (sequence + count <= from) continue
      if (visited++ === maxPackets) break
      const skipped = Math.max(0, from - sequence)
      const start = skipBlocks(bytes, 0, skipped)
      next = sequence + count
      if (!visit(sequence + skipped, count - skipped, bytes, start, bytes.length, this.wallUs)) break
    }
    return next
  }
}

/** `TEST` -> `TEST2` -> `TEST3`. */
function successorOf(session: string): string {
  const [, name = session, number = '1'] = /^(.*?)(\d*)$/.exec(session) ?? []
  return `${name}${Number(number || '1') + 1}`
}
