/**
 * The event stream of a process: sockets, receiver, requests and rewinds put together. What comes out is every event of the
 * session, in order, without hole, or a loss with its range and reason.
 */
import { type Counters, createCounters } from '../core/counters.js'
import type { SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import { delay } from '../core/timers.js'
import { Authenticator } from '../net/auth.js'
import type { PacketReceiver, UnicastPort } from '../net/network.js'
import { EpochBook } from '../protocol/epoch-book.js'
import { Receiver } from '../protocol/receiver.js'
import { RECEIVER_COUNTERS, type ReceiverState, type RevocationCause } from '../protocol/receiver-options.js'
import { isCandidate, isSequencing } from '../protocol/sequencer-states.js'
import { StableGuard } from '../protocol/stable-guard.js'
import { A_STORE } from '../protocol/witness.js'
import type { EpochTableEntry, SequencerHeartbeat, StoreStatus } from '../wire/control.js'
import { AwaitedSuccessor } from './awaited-successor.js'
import type { ControlLink } from './control-link.js'
import { Directory } from './directory.js'
import type { Agent, DutyCycle } from './duty-cycle.js'
import { withFaults } from './faults.js'
import type { RoleOptions } from './options.js'
import { Rewinder } from './rewinder.js'

/** Receivers rotate over this many request servers; fewer are asked in turn. */
const SERVER_SLOTS = 4
const HEAR_STORES_MS = 350
const POLL_MS = 10

export interface EventListener {
  /** A run of blocks in order; valid during the call. */
  deliver(sequence: number, count: number, bytes: Uint8Array, start: number, end: number, nowUs: number): void
  stateChanged(state: ReceiverState, reason: string): void
  /** True while it cannot take more at once: a rewind, which comes as fast as it is read, waits. */
  mustWait?(): boolean
  /** Nobody has these events; nothing is delivered afterwards. */
  lost(from: number, to: number, reason: string): void
  /** What was delivered from `nextSequence` on is revoked: a newer reign goes on from there, or the sequencer restarted behind it. */
  revoked(nextSequence: number, reason: string, cause: RevocationCause): void
  /** The sequencer of this stream speaks; what others say who claim to be it is not handed on. */
  sequencerHeard?(heartbeat: SequencerHeartbeat, nowUs: number): void
}

interface Awaited {
  readonly successor: AwaitedSuccessor
  readonly proven: () => void
}

export interface EventLinkOptions {
  readonly nextSequence: number
  readonly startRewinding: boolean
  /** True for a store: it may ask the sequencer for what is not yet stable. */
  readonly askSequencer: boolean
  readonly seed: number
  /** What is known of the stream's epochs at the start: those of the events before `nextSequence`. */
  readonly epochTable?: readonly EpochTableEntry[]
  /** It is known that the session has voters. */
  readonly hasVoters?: boolean
  /** Of a voter: the greatest epoch that it has promised itself. */
  readonly promised?: () => number
  readonly lossTimeoutUs?: number
  /** Directory of a store on this machine: rewinds read its files where they can, and go over TCP where they cannot. */
  readonly localStore?: string
}

export const EVENT_LINK_COUNTERS = [
  'unauthenticated',
  'noServer',
  'requestsSent',
  'rewinds',
  'localRewinds',
  'unbelievedReigns',
] as const
export type EventLinkCounter = (typeof EVENT_LINK_COUNTERS)[number]

export class EventLink implements Agent {
  readonly directory: Directory
  readonly counters: Counters<EventLinkCounter> = createCounters(EVENT_LINK_COUNTERS)
  #options: RoleOptions & EventLinkOptions
  readonly #listener: EventListener
  #receiver: Receiver
  readonly #cycle: DutyCycle
  readonly #auth: Authenticator
  readonly #answerAuth: Authenticator
  readonly #requestAuth: Authenticator
  #rewinder: Rewinder
  #guard = new StableGuard()
  #book = new EpochBook(() => this.#receiver.epochTable)
  /** The session that goes on from the end of this one, as soon as that is known to be stable. */
  #awaited: Awaited | undefined
  readonly #logger: Logger
  #control: ControlLink | undefined
  #unlisten: () => void = () => {}
  #multicast: PacketReceiver | undefined
  #requests: UnicastPort | undefined

  private constructor(options: RoleOptions & EventLinkOptions, cycle: DutyCycle, listener: EventListener) {
    this.#cycle = cycle
    this.#logger = options.logger
    this.#auth = new Authenticator(options.key, 'event')
    this.#answerAuth = new Authenticator(options.key, 'answer')
    this.#requestAuth = new Authenticator(options.key, 'request')
    this.directory = new Directory(options.stores, options.askSequencer)
    this.#options = options
    this.#listener = listener
    this.#guard.promised(options.epochTable?.at(-1)?.epoch ?? 0)
    this.#receiver = this.#createReceiver(options)
    this.#rewinder = this.#createRewinder(options)
  }

  #createRewinder(options: RoleOptions & EventLinkOptions): Rewinder {
    const { directory, counters } = this
    const mustWait = (): boolean => this.#listener.mustWait?.() ?? false
    return new Rewinder(options, this.#cycle, { receiver: () => this.#receiver, directory, counters, mustWait })
  }

  get receiver(): Receiver {
    return this.#receiver
  }

  /**
   * Goes on from `nextSequence` with a new receiver, after what was delivered from there on was revoked. Sockets, servers, counters
   * and what is known of the epochs stay.
   * @param startRewinding true where much is missing: the state is `rewinding` until all of it is there
   */
  reopen(nextSequence: number, startRewinding: boolean, reason: string): void {
    this.#rewinder.restart()
    this.#awaited = undefined
    const last = this.#receiver
    this.#receiver = this.#createReceiver({
      ...this.#options,
      nextSequence,
      startRewinding,
      epochTable: last.epochTable,
      hasVoters: last.hasVoters,
    })
    this.#countOn(last)
    this.#logger.info({ session: this.#options.session, nextSequence, reason }, 'event stream: reopened')
    this.#listener.stateChanged(this.#receiver.state, reason)
    this.#cycle.enter()
  }

  /**
   * The last event, which was delivered, names a session that goes on. `proven` is called as soon as that event is known to be stable:
   * its sequencer or a store says so; without voters also where the other session speaks, which it does not before, and before a packet of
   * that is lost: `follow` makes it the first one.
   * @param sequence of the event
   */
  expect(successor: string, sequence: number, proven: () => void): void {
    this.#awaited = { successor: new AwaitedSuccessor(successor, sequence), proven }
    this.#control?.listenBeside(successor, ({ kind, body }) => {
      if (kind === 'sequencer' && isSequencing(body.state)) this.#hasBegun()
    })
  }

  /**
   * Goes on with another session, from its first event, in the same turn: sockets, servers and counters stay.
   * @param startRewinding true where it may be far ahead: the state is `rewinding` until all of it is there
   */
  follow(session: string, startRewinding: boolean): void {
    this.#rewinder.stop()
    this.#awaited = undefined
    const { epochTable: _, hasVoters: __, ...options } = this.#options
    this.#options = { ...options, session, nextSequence: 1, startRewinding }
    this.#guard = new StableGuard()
    this.#rewinder = this.#createRewinder(this.#options)
    const last = this.#receiver
    this.#receiver = this.#createReceiver(this.#options)
    this.#book = new EpochBook(() => this.#receiver.epochTable)
    this.#countOn(last)
    this.#control?.follow(session)
    this.#cycle.enter()
  }

  #countOn({ counters }: Receiver): void {
    for (const name of RECEIVER_COUNTERS) this.#receiver.counters[name] += counters[name]
  }

  #createReceiver({ nextSequence, startRewinding, epochTable, hasVoters = false }: EventLinkOptions): Receiver {
    const { session, seed, lossTimeoutUs, logger } = this.#options
    const listener = this.#listener
    // One that was left in the middle of a call says nothing more.
    const isCurrent = (): boolean => this.#receiver === receiver
    const receiver: Receiver = new Receiver(
      {
        session,
        nextSequence,
        servers: SERVER_SLOTS,
        seed,
        startRewinding,
        hasVoters,
        logger,
        ...(epochTable === undefined || epochTable.length === 0 ? {} : { epochTable }),
        ...(lossTimeoutUs === undefined ? {} : { lossTimeoutUs }),
      },
      {
        deliver: (sequence, count, bytes, start, end, nowUs) => {
          if (isCurrent()) listener.deliver(sequence, count, bytes, start, end, nowUs)
        },
        request: (packet, server) => this.#request(packet, server),
        startRewind: (fromSequence) => {
          if (isCurrent()) this.#rewinder.start(fromSequence)
        },
        stopRewind: () => {
          if (isCurrent()) this.#rewinder.stop()
        },
        stateChanged: (state, reason) => listener.stateChanged(state, reason),
        lost: (from, to, reason) => listener.lost(from, to, reason),
        revoked: (nextSequence, reason, cause) => listener.revoked(nextSequence, reason, cause),
      },
    )
    return receiver
  }

  static async open(
    options: RoleOptions & EventLinkOptions,
    cycle: DutyCycle,
    control: ControlLink,
    listener: EventListener,
    onError: (error: SeqcastError) => void,
  ): Promise<EventLink> {
    const link = new EventLink(options, cycle, listener)
    try {
      await link.#open(options, control, listener, onError)
    } catch (error) {
      link.close()
      throw error
    }
    return link
  }

  async #open(
    options: RoleOptions & EventLinkOptions,
    control: ControlLink,
    listener: EventListener,
    onError: (error: SeqcastError) => void,
  ): Promise<void> {
    const cycle = this.#cycle
    this.#control = control
    const fromGroup = withFaults(options.faults, 'event', cycle, (packet, nowUs) =>
      this.#receive(packet, this.#auth, nowUs),
    )
    const fromServer = withFaults(options.faults, 'answer', cycle, (packet, nowUs) =>
      this.#receive(packet, this.#answerAuth, nowUs),
    )
    const interfaceAddress = options.interfaceAddress
    const { network } = cycle.platform
    this.#requests = await network.openUnicast({ port: 0, interfaceAddress, onError }, fromServer)
    this.#multicast = await network.openMulticastReceiver(
      { ...options.eventGroup, interfaceAddress, onError },
      fromGroup,
    )
    this.#unlisten = control.listen((message, address, nowUs) => {
      // Who heard it before may have gone on to another session, with this link.
      if (message.session !== this.#options.session) return
      this.directory.onControl(message, address, nowUs)
      this.#guard.onControl(message)
      if (message.kind === 'store') this.#onStore(message.body, nowUs)
      if (message.kind !== 'sequencer' || !this.#isCredible(message.body, message.sender, nowUs)) return
      // One that does not sequence says nothing about the stream.
      const body = isSequencing(message.body.state) ? this.#book.complete(message.body) : message.body
      if (body === undefined) return
      this.#onSequencer(message.sender, body, nowUs)
      if (this.#speaksOfThis(message.sender, body)) listener.sequencerHeard?.(body, nowUs)
    })
    if (options.startRewinding) await this.#hearStores()
    cycle.add(this)
  }

  /** What the kernel gave for the event stream's receive buffer. */
  get receiveBufferBytes(): number {
    return this.#multicast?.receiveBufferBytes ?? 0
  }

  flush(): void {}

  tick(nowUs: number): number {
    const rewindUs = this.#rewinder.tick(nowUs)
    if (this.#rewinder.isWaiting) this.#receiver.onRewindWaits(nowUs)
    return Math.min(this.#receiver.tick(nowUs), rewindUs)
  }

  close(): void {
    this.#cycle.remove(this)
    this.#unlisten()
    this.#rewinder.stop()
    this.#multicast?.close()
    this.#requests?.close()
  }

  #isCredible(heartbeat: SequencerHeartbeat, sender: number, nowUs: number): boolean {
    if (!isSequencing(heartbeat.state)) return true
    this.#guard.promised(this.#options.promised?.() ?? 0)
    if (this.#guard.admits(heartbeat, this.#receiver.nextSequence - 1, sender, nowUs)) return true
    this.counters.unbelievedReigns = this.#guard.refused
    return false
  }

  /**
   * Whether a heartbeat is the word of this stream's sequencer about the branch that is delivered here. One that has stepped down goes on
   * speaking, as a standby: what it then calls stable is of the branch that it lost to, which may not be ours yet.
   */
  #speaksOfThis(sender: number, { epoch, state }: SequencerHeartbeat): boolean {
    const receiver = this.#receiver
    const isOfThisReign = epoch === (receiver.epochTable.at(-1)?.epoch ?? epoch)
    return receiver.follows(sender) && isOfThisReign && !isCandidate(state)
  }

  /** One that has gone on says how the session has ended, as its sequencer would; one that has no record of it names what goes on. */
  #onStore({ successor = '', end }: StoreStatus, nowUs: number): void {
    if (successor === '') return
    const awaited = this.#awaited?.successor
    if (end === undefined) {
      if (successor === awaited?.session && awaited.isNamed(this.#receiver.hasVoters, nowUs)) this.#isProven()
      return
    }
    awaited?.onEndTold()
    if (end.publishedIsStable) this.#hasBegun(successor)
    else if (end.state === 'ending' && this.#isCredible(end, A_STORE, nowUs)) {
      const whole = this.#book.complete(end)
      if (whole !== undefined) this.#onSequencer(A_STORE, whole, nowUs)
    }
  }

  #onSequencer(sender: number, heartbeat: SequencerHeartbeat, nowUs: number): void {
    const { epoch, nextSequence, epochTable, state, publishedIsStable: canRestart } = heartbeat
    if (!isSequencing(state)) return
    const isOpen = state !== 'ending'
    if (this.#awaited !== undefined && this.#isAboutEnd(sender, heartbeat, this.#awaited.successor)) return
    this.#receiver.onSequencerHeartbeat(sender, epoch, nextSequence, epochTable, nowUs, isOpen, canRestart)
  }

  /** @returns true where a sequencer has said what becomes of the end of the session, and that was acted upon */
  #isAboutEnd(sender: number, heartbeat: SequencerHeartbeat, awaited: AwaitedSuccessor): boolean {
    const receiver = this.#receiver
    const { sequence } = awaited
    const verdict = awaited.verdict(heartbeat, {
      epochTable: receiver.epochTable,
      isOver: receiver.state === 'ended',
      isFollowed: receiver.follows(sender),
    })
    if (verdict === 'stable') this.#isProven()
    else if (verdict === 'lost') {
      this.#listener.revoked(sequence, `the session goes on: its end, event ${sequence}, was lost`, 'other-branch')
    }
    return verdict !== undefined
  }

  /** The next session has begun. With voters it may have gone on from another end than the one that is known here. */
  #hasBegun(session = this.#awaited?.successor.session): void {
    if (!this.#receiver.hasVoters && session === this.#awaited?.successor.session) this.#isProven()
  }

  #isProven(): void {
    const awaited = this.#awaited
    this.#awaited = undefined
    awaited?.proven()
  }

  /** Stores that are learnt from the control stream speak every tenth of a second: without one, the first rewind would fail. */
  async #hearStores(): Promise<void> {
    for (let waitedMs = 0; waitedMs < HEAR_STORES_MS && this.directory.stores().length === 0; waitedMs += POLL_MS) {
      await delay(this.#cycle.platform.timers, POLL_MS)
    }
  }

  #receive(datagram: Uint8Array, auth: Authenticator, nowUs: number): void {
    const packet = auth.open(datagram)
    if (packet === undefined) {
      this.counters.unauthenticated += 1
      return
    }
    if (this.#awaited?.successor.speaksIn(packet) === true) this.#hasBegun()
    this.#receiver.onPacket(packet, nowUs)
  }

  #request(packet: Uint8Array, slot: number): void {
    const server = this.directory.requestServer(slot)
    if (server === undefined) {
      this.counters.noServer += 1
      return
    }
    this.counters.requestsSent += 1
    this.#requests?.send(this.#requestAuth.seal(packet), server.address, server.port)
  }
}
