/**
 * The outbox: the commands that a component issued and that are not yet stable events. It numbers them, packs what one
 * turn of the event loop appended into as few packets as possible, sends again what did not come back (all from the
 * first one that is missing, because the sequencer takes the next one only), checks what came back against what was
 * issued here, and lets go of what is stable. Disconnected, as on a passive replica, it does all that except sending.
 *
 * Sans-io: time is an argument, packets go to the output.
 */
import { type Counters, createCounters } from '../core/counters.js'
import { SeqcastError } from '../core/errors.js'
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
  EVENT_FLAGS_AT,
  EVENT_HEADER_BYTES,
  EVENT_TYPE_AT,
  eventSourceSequence,
  FIRST_FRAGMENT,
  LAST_FRAGMENT,
  WHOLE_MESSAGE,
} from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import { CommandPacker } from './command-packer.js'
import { CommandRing } from './command-ring.js'
import { FlowWindow } from './flow-window.js'
import { RoundTrip } from './round-trip.js'

/** Below this a garbage collection at the other end would look like a loss. */
const DEFAULT_MIN_RTO_US = 2_000
const DEFAULT_MAX_RTO_US = 200_000

export interface OutboxOptions {
  readonly session: string
  /** The source's number; 0 where it is not registered yet: nothing is sent until `bind`. */
  readonly source: number
  /** The number of the first command appended here. */
  readonly firstSourceSequence: number
  /** Largest UDP payload, the room for an authentication tag included. */
  readonly datagramBytes: number
  /** Largest payload of one block: a constant of the session. Longer messages become trains of fragments. */
  readonly fragmentBytes: number
  /** Commands held until they are stable; `isFull` from there on. */
  readonly capacityCommands?: number
  /** Commands sent and not yet seen as events. */
  readonly inFlightCommands?: number
  readonly minRtoUs?: number
  readonly maxRtoUs?: number
  readonly logger?: Logger
}

export interface OutboxOutput {
  /** The packet is valid during the call. */
  sendCommands(packet: Uint8Array): void
  /** A command that was appended while connected came back as an event, `latencyUs` after its append. */
  returned?(sourceSequence: number, latencyUs: number): void
}

/**
 * `expected`: the event is the command that was next to come back. `diverged`: it has that number, but another type, flags
 * or payload than was computed here. `unknown`: no command of that number is waiting to come back here.
 */
export type OutboxVerdict = 'expected' | 'diverged' | 'unknown'

const COUNTERS = [
  'appended',
  'sentPackets',
  'sentCommands',
  'resentCommands',
  'timeouts',
  'returned',
  'released',
  'diverged',
  'unknown',
] as const
export type OutboxCounter = (typeof COUNTERS)[number]

export class Outbox {
  readonly counters: Counters<OutboxCounter> = createCounters(COUNTERS)
  readonly #output: OutboxOutput
  readonly #logger: Logger
  readonly #session: string
  readonly #fragmentBytes: number
  readonly #capacity: number
  readonly #maxRtoUs: number
  readonly #ring: CommandRing
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
    this.#roundTrip = new RoundTrip(options.minRtoUs ?? DEFAULT_MIN_RTO_US, this.#maxRtoUs)
    this.#window = new FlowWindow(options.inFlightCommands ?? OUTBOX_IN_FLIGHT)
    const packetBytes = Math.max(wholeBlockBytes, options.datagramBytes - AUTH_TAG_BYTES)
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
    if (this.isFull) throw new Error(`outbox: append while full (${this.commands} commands); await space() first`)
    const lengthBytes = payload.length
    const blocks = lengthBytes <= this.#fragmentBytes ? 1 : Math.ceil(lengthBytes / this.#fragmentBytes)
    if (this.#ring.next + blocks - 1 > MAX_SOURCE_SEQUENCE) throw this.#exhausted()
    if (blocks === 1) this.#ring.append(type, this.#source, WHOLE_MESSAGE, payload, 0, lengthBytes, nowUs)
    else this.#appendFragments(type, payload, nowUs)
    this.counters.appended += blocks
    return this.#ring.next - 1
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
    const sourceSequence = lengthBytes < EVENT_HEADER_BYTES ? Number.NaN : eventSourceSequence(bytes, at)
    if (sourceSequence !== this.#nextReturned || sourceSequence >= this.#ring.next) {
      this.counters.unknown++
      return 'unknown'
    }
    if (!this.#isSame(sourceSequence, bytes, at, lengthBytes)) {
      this.counters.diverged++
      return 'diverged'
    }
    this.#ring.setEventSequence(sourceSequence, sequence)
    this.#nextReturned = sourceSequence + 1
    this.counters.returned++
    if (this.#connected) this.#onReturned(sourceSequence, nowUs)
    return 'expected'
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
    let n = first
    while (n < this.#nextReturned && this.#ring.eventSequence(n) <= stableSequence) n++
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
      while (this.#nextToSend < limit) this.#sendPacket(limit, nowUs)
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
    if (lengthBytes > MAX_MESSAGE_BYTES) {
      throw new SeqcastError(
        'E_PAYLOAD',
        `a message of ${lengthBytes} bytes exceeds the limit of ${MAX_MESSAGE_BYTES}`,
        {
          hint: 'split it into several messages',
          fields: { ...this.#fields(), type },
        },
      )
    }
    for (let start = 0; start < lengthBytes; start += this.#fragmentBytes) {
      const end = Math.min(lengthBytes, start + this.#fragmentBytes)
      const flags = start === 0 ? FIRST_FRAGMENT : end === lengthBytes ? LAST_FRAGMENT : 0
      this.#ring.append(type, this.#source, flags, payload, start, end, nowUs)
    }
  }

  /** Compares type, flags and payload; source and number are known to be the same, time and epoch are the sequencer's. */
  #isSame(sourceSequence: number, bytes: Uint8Array, at: number, lengthBytes: number): boolean {
    const own = this.#ring.bytes
    const ownAt = this.#ring.offset(sourceSequence) + BLOCK_LENGTH_BYTES
    if (readU16(own, ownAt - BLOCK_LENGTH_BYTES) !== lengthBytes) return false
    if (readU16(own, ownAt + EVENT_TYPE_AT) !== readU16(bytes, at + EVENT_TYPE_AT)) return false
    for (let i = EVENT_FLAGS_AT; i < lengthBytes; i++) if (own[ownAt + i] !== bytes[at + i]) return false
    return true
  }

  #onReturned(sourceSequence: number, nowUs: number): void {
    if (this.#nextToSend < this.#nextReturned) this.#nextToSend = this.#nextReturned
    if (sourceSequence >= this.#ambiguousBelow) {
      const sentUs = this.#ring.sentUs(sourceSequence)
      // One sample for each packet: its commands were sent at once and mostly come back at once.
      if (sentUs !== this.#sampledSentUs) {
        this.#sampledSentUs = sentUs
        this.#roundTrip.sample(nowUs - sentUs)
      }
    }
    this.#window.grow()
    this.#arm(nowUs)
    if (sourceSequence >= this.#latencyFrom) {
      this.#output.returned?.(sourceSequence, nowUs - this.#ring.appendedUs(sourceSequence))
    }
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

  #exhausted(): SeqcastError {
    return new SeqcastError(
      'E_SOURCE_EXHAUSTED',
      `source ${this.#source} of session '${this.#session}' has used its command numbers up to ${MAX_SOURCE_SEQUENCE}`,
      {
        hint: 'activate the component again, which registers a fresh source for outside commands; for commands of handlers start a new session',
        fields: this.#fields(),
      },
    )
  }
}
