/**
 * The outbox: the commands that a component issued and that are not yet stable events. It numbers them, packs what one
 * turn of the event loop appended into as few packets as possible, sends again what did not come back (all from the
 * first one that is missing, because the sequencer takes the next one only), checks what came back against what was
 * issued here, and lets go of what is stable. Disconnected, as on a passive replica, it does all that except sending.
 *
 * Sans-io: time is an argument, packets go to the output.
 */
import { type Counters, createCounters } from '../core/counters.js'
import {
  AUTH_TAG_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_SOURCE,
  MAX_SOURCE_SEQUENCE,
  OUTBOX_COMMANDS,
  OUTBOX_IN_FLIGHT,
} from '../core/limits.js'
import { type Logger, silentLogger } from '../core/log.js'
import { readU16 } from '../wire/bytes.js'
import { COMMAND_HEADER_BYTES, commandCount } from '../wire/command.js'
import {
  EVENT_HEADER_BYTES,
  eventSource,
  eventSourceSequence,
  FIRST_FRAGMENT,
  LAST_FRAGMENT,
  WHOLE_MESSAGE,
} from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import { CommandMatcher } from './command-matcher.js'
import { CommandPacker } from './command-packer.js'
import { CommandRing } from './command-ring.js'
import { FlowWindow } from './flow-window.js'
import { exhausted, tooLong } from './outbox-errors.js'
import {
  OUTBOX_COUNTERS,
  type OutboxCounter,
  type OutboxOptions,
  type OutboxOutput,
  type OutboxVerdict,
} from './outbox-types.js'
import { RoundTrip } from './round-trip.js'

/** Below this a garbage collection at the other end would look like a loss. */
const DEFAULT_MIN_RTO_US = 2_000
const DEFAULT_MAX_RTO_US = 200_000

export class Outbox {
  readonly counters: Counters<OutboxCounter> = createCounters(OUTBOX_COUNTERS)
  readonly #output: OutboxOutput
  readonly #logger: Logger
  readonly #session: string
  readonly #fragmentBytes: number
  readonly #capacity: number
  readonly #maxRtoUs: number
  readonly #ring: CommandRing
  readonly #matcher: CommandMatcher
  readonly #roundTrip: RoundTrip
  readonly #window: FlowWindow
  readonly #packer: CommandPacker
  #source: number
  #connected = false
  #held = false
  /** The first command that has not come back as an event. */
  #nextReturned: number
  #nextToSend: number
  /** Commands below were sent more than once, or maybe by another replica: their round trips are not measured (Karn). */
  #ambiguousBelow: number
  /** Commands below were sent from here before. */
  #resentBelow: number
  /** Commands below were appended before the connection: their latency says nothing. */
  #latencyFrom: number
  #sampledSentUs = -1
  #deadlineUs = Number.POSITIVE_INFINITY
  #waiting: (() => void)[] = []

  /** @throws Error where the options contradict each other: a programmer's error */
  constructor(options: OutboxOptions, output: OutboxOutput) {
    const wholeBlockBytes = COMMAND_HEADER_BYTES + BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES + options.fragmentBytes
    if (!(options.fragmentBytes >= 1 && wholeBlockBytes <= options.datagramBytes)) {
      throw new Error(`outbox: fragments of ${options.fragmentBytes} bytes in datagrams of ${options.datagramBytes}`)
    }
    this.#output = output
    this.#logger = options.logger ?? silentLogger
    this.#session = options.session
    this.#fragmentBytes = options.fragmentBytes
    this.#capacity = options.capacityCommands ?? OUTBOX_COMMANDS
    this.#maxRtoUs = options.maxRtoUs ?? DEFAULT_MAX_RTO_US
    this.#ring = new CommandRing(options.firstSourceSequence)
    this.#matcher = new CommandMatcher(this.#ring)
    this.#roundTrip = new RoundTrip(options.minRtoUs ?? DEFAULT_MIN_RTO_US, this.#maxRtoUs)
    this.#window = new FlowWindow(options.inFlightCommands ?? OUTBOX_IN_FLIGHT)
    const packetBytes = Math.max(wholeBlockBytes, options.datagramBytes - (options.tagBytes ?? AUTH_TAG_BYTES))
    this.#packer = new CommandPacker(options.session, options.source, packetBytes)
    this.#source = options.source
    this.#nextReturned = options.firstSourceSequence
    this.#nextToSend = options.firstSourceSequence
    this.#ambiguousBelow = options.firstSourceSequence
    this.#resentBelow = options.firstSourceSequence
    this.#latencyFrom = options.firstSourceSequence
  }

  /** The source's number; 0 while it is unknown. */
  get source(): number {
    return this.#source
  }

  get isConnected(): boolean {
    return this.#connected
  }

  /** Commands held, because they are not yet stable. */
  get commands(): number {
    return this.#ring.next - this.#ring.first
  }

  /** Commands that have not come back as events, sent or not. */
  get outstanding(): number {
    return this.#ring.next - this.#nextReturned
  }

  get isFull(): boolean {
    return this.commands >= this.#capacity
  }

  /** The number that the next command gets. */
  get nextSourceSequence(): number {
    return this.#ring.next
  }

  /** The smoothed round trip in microseconds; 0 before the first measurement. */
  get roundTripUs(): number {
    return this.#roundTrip.smoothedUs
  }

  /**
   * Numbers a command and keeps it; `flush` sends it. The payload is copied. A payload longer than the session's fragment size
   * becomes several commands, which may exceed the capacity by their number.
   * @returns the source sequence of its last block
   * @throws SeqcastError E_PAYLOAD (too long), E_SOURCE_EXHAUSTED; Error when full: a programmer's error
   */
  append(type: number, payload: Uint8Array, nowUs: number): number {
    const lengthBytes = payload.length
    const blocks = lengthBytes <= this.#fragmentBytes ? 1 : Math.ceil(lengthBytes / this.#fragmentBytes)
    this.#requireRoom(blocks)
    if (blocks === 1) this.#ring.append(type, this.#source, WHOLE_MESSAGE, payload, 0, lengthBytes, nowUs)
    else this.#appendFragments(type, payload, nowUs)
    this.counters.appended += blocks
    return this.#ring.next - 1
  }

  /**
   * Numbers a command of `lengthBytes`, at most the session's fragment size, and keeps room for its payload: it has to be
   * written into `bytes` there before anything else is done with the outbox. Saves the copy of `append`.
   * @returns where the payload begins
   * @throws SeqcastError E_SOURCE_EXHAUSTED; Error when full or too long: a programmer's error
   */
  claim(type: number, lengthBytes: number, nowUs: number): number {
    if (lengthBytes > this.#fragmentBytes) throw new Error(`outbox: claim of ${lengthBytes} bytes`)
    this.#requireRoom(1)
    this.counters.appended++
    return this.#ring.claim(type, this.#source, WHOLE_MESSAGE, lengthBytes, nowUs)
  }

  /** Where claimed payloads are written; another array after each claim that had to grow it. */
  get bytes(): Uint8Array {
    return this.#ring.bytes
  }

  /** The number is known now: it is written into what is held, and what is left is sent. */
  bind(source: number, nowUs: number): void {
    if (source === this.#source) return
    if (this.#source !== 0 || source < 1 || source > MAX_SOURCE) {
      throw new Error(`outbox: bind to source ${source} while bound to ${this.#source}`)
    }
    this.#source = source
    this.#packer.setSource(source)
    this.#ring.setSource(source)
    this.flush(nowUs)
  }

  /** Starts to send, beginning with all that did not come back yet. */
  connect(nowUs: number): void {
    if (this.#connected) return
    this.#connected = true
    this.#nextToSend = this.#nextReturned
    this.#ambiguousBelow = this.#ring.next
    this.#latencyFrom = this.#ring.next
    this.#logger.debug({ ...this.#fields(), outstanding: this.outstanding }, 'outbox connected')
    this.flush(nowUs)
  }

  /** Stops sending; computing and keeping goes on. */
  disconnect(): void {
    if (!this.#connected) return
    this.#connected = false
    this.#resentBelow = Math.max(this.#resentBelow, this.#nextToSend)
    this.#deadlineUs = Number.POSITIVE_INFINITY
    this.#logger.debug({ ...this.#fields(), outstanding: this.outstanding }, 'outbox disconnected')
  }

  /**
   * Takes an event of this source, in stream order: `lengthBytes` event bytes at `at`. Only an expected one changes
   * anything here.
   */
  onEvent(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number, nowUs: number): OutboxVerdict {
    const verdict = this.#take(sequence, bytes, at, lengthBytes)
    if (verdict !== 'expected') return verdict
    this.counters.returned++
    if (this.#connected) this.#onReturned(this.#nextReturned - 1, nowUs)
    return verdict
  }

  #take(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number): OutboxVerdict {
    const sourceSequence = lengthBytes < EVENT_HEADER_BYTES ? Number.NaN : eventSourceSequence(bytes, at)
    if (sourceSequence !== this.#nextReturned || sourceSequence >= this.#ring.next) {
      this.counters.unknown++
      return 'unknown'
    }
    if (!this.#matcher.matches(sourceSequence, bytes, at, lengthBytes)) {
      this.counters.diverged++
      return 'diverged'
    }
    this.#ring.setEventSequence(sourceSequence, sequence)
    this.#nextReturned = sourceSequence + 1
    return 'expected'
  }

  /**
   * Takes a checked run of events of the stream, of any sources, where a divergence only counts: the same as `onEvent` for each
   * own one, for less.
   * @returns how many own ones came back as expected
   */
  onRun(sequence: number, count: number, bytes: Uint8Array, start: number, nowUs: number): number {
    const first = this.#nextReturned
    this.#matcher.begin(bytes, count)
    let at = start + BLOCK_LENGTH_BYTES
    for (let i = 0; i < count; i++) {
      const lengthBytes = readU16(bytes, at - BLOCK_LENGTH_BYTES)
      if (eventSource(bytes, at) === this.#source) this.#take(sequence + i, bytes, at, lengthBytes)
      at += lengthBytes + BLOCK_LENGTH_BYTES
    }
    const returned = this.#nextReturned - first
    this.counters.returned += returned
    if (returned > 0 && this.#connected) this.#onReturned(first, nowUs)
    return returned
  }

  /** A copy of the command that is next to come back, as event bytes; undefined where none is. For error reports. */
  copyNextToReturn(): Uint8Array | undefined {
    if (this.#nextReturned === this.#ring.next) return undefined
    const start = this.#ring.offset(this.#nextReturned) + BLOCK_LENGTH_BYTES
    return this.#ring.bytes.slice(start, this.#ring.end(this.#nextReturned))
  }

  /** Events up to `stableSequence` are stable: their commands are let go, and whoever waits for space goes on. */
  onStable(stableSequence: number): void {
    const first = this.#ring.first
    const end = this.#nextReturned
    const isAllStable = end > first && this.#ring.eventSequence(end - 1) <= stableSequence
    let n = isAllStable ? end : first
    while (n < end && this.#ring.eventSequence(n) <= stableSequence) n++
    if (n === first) return
    this.#ring.release(n)
    this.counters.released += n - first
    if (this.#waiting.length > 0 && !this.isFull) this.#wake()
  }

  /**
   * The sequencer holds commands back, or no longer does. While it does, one packet for each longest wait asks whether it
   * still does; then all that did not come back is sent again with the next `flush`.
   */
  onHeld(held: boolean): void {
    if (held === this.#held) return
    this.#held = held
    this.#deadlineUs = Number.POSITIVE_INFINITY
    this.#logger.info(this.#fields(), held ? 'sequencer holds commands back' : 'sequencer accepts commands again')
    if (!held) this.#goBack()
  }

  /** Sends what was appended, as far as the window allows. Called at the end of each turn of the event loop. */
  flush(nowUs: number): void {
    if (this.#nextToSend === this.#ring.next && this.#deadlineUs !== Number.POSITIVE_INFINITY) return
    if (!this.#connected || this.#source === 0) return
    if (!this.#held) {
      const limit = Math.min(this.#ring.next, this.#nextReturned + this.#window.commands)
      while (this.#nextToSend < limit && this.#isWorthSending(limit)) this.#sendPacket(limit, nowUs)
    }
    if (this.#deadlineUs === Number.POSITIVE_INFINITY) this.#arm(nowUs)
  }

  /** Sends again what is due. @returns the next deadline in microseconds, or Infinity */
  tick(nowUs: number): number {
    if (nowUs >= this.#deadlineUs) this.#onTimeout(nowUs)
    else this.flush(nowUs)
    return this.#deadlineUs
  }

  /** Resolves when there is space. Several callers may wake up at once: look at `isFull` again before `append`. */
  space(): Promise<void> {
    if (!this.isFull) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #appendFragments(type: number, payload: Uint8Array, nowUs: number): void {
    const lengthBytes = payload.length
    if (lengthBytes > MAX_MESSAGE_BYTES) throw tooLong(lengthBytes, { ...this.#fields(), type })
    for (let start = 0; start < lengthBytes; start += this.#fragmentBytes) {
      const end = Math.min(lengthBytes, start + this.#fragmentBytes)
      const flags = start === 0 ? FIRST_FRAGMENT : end === lengthBytes ? LAST_FRAGMENT : 0
      this.#ring.append(type, this.#source, flags, payload, start, end, nowUs)
    }
  }

  /** The commands from `first` to the last one returned have come back at once. */
  #onReturned(first: number, nowUs: number): void {
    const next = this.#nextReturned
    if (this.#nextToSend < next) this.#nextToSend = next
    // One sample for each packet: its commands were sent at once and mostly come back at once.
    if (first >= this.#ambiguousBelow) this.#sample(this.#ring.sentUs(first), nowUs)
    this.#window.grow(next - first)
    this.#arm(nowUs)
    if (this.#output.returned === undefined) return
    for (let n = Math.max(first, this.#latencyFrom); n < next; n++) {
      this.#output.returned(n, nowUs - this.#ring.appendedUs(n))
    }
  }

  #sample(sentUs: number, nowUs: number): void {
    if (sentUs === this.#sampledSentUs) return
    this.#sampledSentUs = sentUs
    this.#roundTrip.sample(nowUs - sentUs)
  }

  #arm(nowUs: number): void {
    const waiting = this.#nextToSend > this.#nextReturned || (this.#held && this.outstanding > 0)
    this.#deadlineUs = waiting
      ? nowUs + (this.#held ? this.#maxRtoUs : this.#roundTrip.rtoUs)
      : Number.POSITIVE_INFINITY
  }

  #onTimeout(nowUs: number): void {
    this.counters.timeouts++
    this.#goBack()
    if (this.#held) this.#sendPacket(this.#ring.next, nowUs)
    else this.#roundTrip.backOff()
    this.#deadlineUs = Number.POSITIVE_INFINITY
    this.flush(nowUs)
  }

  /**
   * Where the window and not the data ends a packet, it waits until it is full, unless nothing is in flight: else many small
   * packets would come back as many small openings of the window, and stay small for ever (RFC 813).
   */
  #isWorthSending(limit: number): boolean {
    if (limit === this.#ring.next || this.#nextToSend === this.#nextReturned) return true
    return this.#packer.isFilled(this.#ring, this.#nextToSend, limit)
  }

  #goBack(): void {
    const inFlight = this.#nextToSend - this.#nextReturned
    if (inFlight === 0) return
    this.#resentBelow = Math.max(this.#resentBelow, this.#nextToSend)
    this.#ambiguousBelow = Math.max(this.#ambiguousBelow, this.#nextToSend)
    this.#nextToSend = this.#nextReturned
    this.#window.shrink(inFlight)
  }

  /** Sends one packet that begins with the next command to send and holds none from `limit` on. */
  #sendPacket(limit: number, nowUs: number): void {
    const first = this.#nextToSend
    const packet = this.#packer.pack(this.#ring, first, limit, nowUs)
    const count = commandCount(packet)
    this.#nextToSend = first + count
    this.counters.sentPackets++
    this.counters.sentCommands += count
    this.counters.resentCommands += Math.max(0, Math.min(this.#nextToSend, this.#resentBelow) - first)
    this.#output.sendCommands(packet)
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }

  #fields(): { session: string; source: number; nextSourceSequence: number } {
    return { session: this.#session, source: this.#source, nextSourceSequence: this.#ring.next }
  }

  #requireRoom(blocks: number): void {
    if (this.isFull) throw new Error(`outbox: append while full (${this.commands} commands); await space() first`)
    if (this.#ring.next + blocks - 1 > MAX_SOURCE_SEQUENCE) throw exhausted(this.#source, this.#fields())
  }
}
