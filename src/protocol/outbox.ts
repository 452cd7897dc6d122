/**
 * The outbox: the commands that a component issued and that are not yet stable events. It numbers and keeps them, checks what
 * came back against what was issued here, takes a return back where its event is revoked, and lets go of what is stable.
 * The sender below it packs them and repeats what did not come back. Disconnected, as on a passive replica, it does all
 * that except sending.
 *
 * Sans-io: time is an argument, packets go to the output.
 */
import { type Counters, createCounters } from '../core/counters.js'
import { MAX_MESSAGE_BYTES, MAX_SOURCE, MAX_SOURCE_SEQUENCE, OUTBOX_COMMANDS } from '../core/limits.js'
import { type Logger, silentLogger } from '../core/log.js'
import { readU16 } from '../wire/bytes.js'
import {
  EVENT_HEADER_BYTES,
  eventFlags,
  eventSource,
  eventSourceSequence,
  eventType,
  FIRST_FRAGMENT,
  LAST_FRAGMENT,
  WHOLE_MESSAGE,
} from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import { CommandMatcher } from './command-matcher.js'
import { CommandRing } from './command-ring.js'
import { CommandSender } from './command-sender.js'
import { exhausted, tooLong } from './outbox-errors.js'
import {
  OUTBOX_COUNTERS,
  type OutboxCapture,
  type OutboxCounter,
  type OutboxMessage,
  type OutboxOptions,
  type OutboxOutput,
  type OutboxVerdict,
} from './outbox-types.js'

export class Outbox {
  readonly counters: Counters<OutboxCounter> = createCounters(OUTBOX_COUNTERS)
  readonly #logger: Logger
  readonly #session: string
  readonly #fragmentBytes: number
  readonly #capacity: number
  readonly #ring: CommandRing
  readonly #matcher: CommandMatcher
  readonly #sender: CommandSender
  #source: number
  #epoch = 0
  #held = false
  #waiting: (() => void)[] = []

  /** @throws Error where the options contradict each other: a programmer's error */
  constructor(options: OutboxOptions, output: OutboxOutput) {
    this.#logger = options.logger ?? silentLogger
    this.#session = options.session
    this.#fragmentBytes = options.fragmentBytes
    this.#capacity = options.capacityCommands ?? OUTBOX_COMMANDS
    this.#ring = new CommandRing(options.firstSourceSequence)
    this.#matcher = new CommandMatcher(this.#ring)
    this.#sender = new CommandSender(options, this.#ring, this.counters, output)
    this.#source = options.source
  }

  /** The source's number; 0 while it is unknown. */
  get source(): number {
    return this.#source
  }

  get isConnected(): boolean {
    return this.#sender.isConnected
  }

  /** Commands held, because they are not yet stable. */
  get commands(): number {
    return this.#ring.next - this.#ring.first
  }

  /** Commands that have not come back as events, sent or not. */
  get outstanding(): number {
    return this.#ring.next - this.#ring.nextReturned
  }

  get isFull(): boolean {
    return this.commands >= this.#capacity
  }

  /** The oldest command that has not come back as an event. */
  get nextToReturn(): number {
    return this.#ring.nextReturned
  }

  /** The number that the next command gets. */
  get nextSourceSequence(): number {
    return this.#ring.next
  }

  /** The smoothed round trip in microseconds; 0 before the first measurement. */
  get roundTripUs(): number {
    return this.#sender.roundTripUs
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
    this.#setSource(source)
    this.flush(nowUs)
  }

  /** The number was revoked: nothing is sent until there is another one. */
  unbind(): void {
    this.#setSource(0)
  }

  /**
   * The reign that the stream is in now, as far as it was delivered. Packets name it, and what was sent under another one and did not
   * come back is sent again.
   */
  setEpoch(epoch: number, nowUs: number): void {
    if (epoch === this.#epoch) return
    this.#epoch = epoch
    this.#sender.setEpoch(epoch, nowUs)
  }

  /** Starts to send, beginning with all that did not come back yet. */
  connect(nowUs: number): void {
    if (this.isConnected) return
    this.#logger.debug({ ...this.#fields(), outstanding: this.outstanding }, 'outbox connected')
    this.#sender.connect(nowUs)
  }

  /** Stops sending; computing and keeping goes on. */
  disconnect(): void {
    if (!this.isConnected) return
    this.#sender.disconnect()
    this.#logger.debug({ ...this.#fields(), outstanding: this.outstanding }, 'outbox disconnected')
  }

  /**
   * The events from `fromSequence` on were revoked: commands that came back as one of them have not come back. They are still
   * held, because they were not stable, and are sent again.
   * @returns false where one of them was let go as stable: what became of it is lost
   */
  revoke(fromSequence: number): boolean {
    const before = this.#ring.nextReturned
    const isWhole = this.#ring.revoke(fromSequence)
    const revoked = before - this.#ring.nextReturned
    this.counters.revoked += revoked
    if (revoked > 0) this.#sender.onRevoked()
    this.#logger.info({ ...this.#fields(), fromSequence, revoked, outstanding: this.outstanding }, 'outbox: revoked')
    return isWhole
  }

  /**
   * Takes an event of this source, in stream order: `lengthBytes` event bytes at `at`. Only an expected one changes
   * anything here.
   */
  onEvent(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number, nowUs: number): OutboxVerdict {
    const verdict = this.#take(sequence, bytes, at, lengthBytes)
    if (verdict !== 'expected') return verdict
    this.counters.returned++
    this.#sender.onReturned(this.#ring.nextReturned - 1, nowUs)
    return verdict
  }

  #take(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number): OutboxVerdict {
    const sourceSequence = lengthBytes < EVENT_HEADER_BYTES ? Number.NaN : eventSourceSequence(bytes, at)
    if (sourceSequence !== this.#ring.nextReturned || sourceSequence >= this.#ring.next) {
      this.counters.unknown++
      return 'unknown'
    }
    if (!this.#matcher.matches(sourceSequence, bytes, at, lengthBytes)) {
      this.counters.diverged++
      return 'diverged'
    }
    this.#ring.returned(sequence)
    return 'expected'
  }

  /**
   * Takes a checked run of events of the stream, of any sources, where a divergence only counts: the same as `onEvent` for each
   * own one, for less.
   * @returns how many own ones came back as expected
   */
  onRun(sequence: number, count: number, bytes: Uint8Array, start: number, nowUs: number): number {
    const first = this.#ring.nextReturned
    this.#matcher.begin(bytes, count)
    let at = start + BLOCK_LENGTH_BYTES
    for (let i = 0; i < count; i++) {
      const lengthBytes = readU16(bytes, at - BLOCK_LENGTH_BYTES)
      if (eventSource(bytes, at) === this.#source) this.#take(sequence + i, bytes, at, lengthBytes)
      at += lengthBytes + BLOCK_LENGTH_BYTES
    }
    const returned = this.#ring.nextReturned - first
    this.counters.returned += returned
    if (returned > 0) this.#sender.onReturned(first, nowUs)
    return returned
  }

  /** A copy of the command that is next to come back, as event bytes; undefined where none is. For error reports. */
  copyNextToReturn(): Uint8Array | undefined {
    const next = this.#ring.nextReturned
    if (next === this.#ring.next) return undefined
    return this.#ring.bytes.slice(this.#ring.offset(next) + BLOCK_LENGTH_BYTES, this.#ring.end(next))
  }

  /** The messages of which not all has come back, as blocks one behind the other, for `restore` of another outbox. */
  capture(): OutboxCapture {
    const { nextReturned } = this.#ring
    const first = this.#ring.messageStart(nextReturned)
    return { first, returned: nextReturned - first, blocks: this.#ring.copyFrom(first) }
  }

  /**
   * Goes on where another outbox was captured, whose `first` was the first number of this one. What had come back is stable.
   * @throws RangeError where the blocks are none
   */
  restore(returned: number, blocks: Uint8Array): void {
    for (let at = 0; at < blocks.length; ) {
      const event = at + BLOCK_LENGTH_BYTES
      const payloadAt = event + EVENT_HEADER_BYTES
      const end = payloadAt <= blocks.length ? event + readU16(blocks, at) : 0
      if (end < payloadAt || end > blocks.length) throw new RangeError(`outbox: no block at ${at}`)
      this.#ring.append(eventType(blocks, event), this.#source, eventFlags(blocks, event), blocks, payloadAt, end, 0)
      at = end
    }
    if (returned > this.commands) throw new RangeError(`outbox: ${returned} of ${this.commands} commands came back`)
    for (let i = 0; i < returned; i++) this.#ring.returned(0)
  }

  /**
   * Copies of the messages of which not all has come back, in order: what is left when the session has ended. A message that was halfway
   * is there whole.
   */
  unsequenced(): OutboxMessage[] {
    const messages: OutboxMessage[] = []
    const bytes = this.#ring.bytes
    let fragments: Uint8Array[] = []
    for (let n = this.#ring.messageStart(this.#ring.nextReturned); n < this.#ring.next; n++) {
      const at = this.#ring.offset(n) + BLOCK_LENGTH_BYTES
      fragments.push(bytes.slice(at + EVENT_HEADER_BYTES, this.#ring.end(n)))
      if ((eventFlags(bytes, at) & LAST_FRAGMENT) === 0) continue
      messages.push({ type: eventType(bytes, at), payload: joined(fragments) })
      fragments = []
    }
    return messages
  }

  /**
   * Events up to `stableSequence` are stable: their commands are let go, and whoever waits for space goes on. A message is kept until
   * all of it is.
   */
  onStable(stableSequence: number): void {
    const first = this.#ring.first
    const end = this.#ring.nextReturned
    const isAllStable = end > first && this.#ring.eventSequence(end - 1) <= stableSequence
    let n = isAllStable ? end : first
    while (n < end && this.#ring.eventSequence(n) <= stableSequence) n++
    n = this.#ring.messageStart(n)
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
    this.#logger.info(this.#fields(), held ? 'sequencer holds commands back' : 'sequencer accepts commands again')
    this.#sender.setHeld(held)
  }

  /** Sends what was appended, as far as the window allows. Called at the end of each turn of the event loop. */
  flush(nowUs: number): void {
    this.#sender.flush(nowUs)
  }

  /** Sends again what is due. @returns the next deadline in microseconds, or Infinity */
  tick(nowUs: number): number {
    return this.#sender.tick(nowUs)
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

  #setSource(source: number): void {
    this.#source = source
    this.#sender.bind(source)
    this.#ring.setSource(source)
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

function joined(fragments: readonly Uint8Array[]): Uint8Array {
  const [first] = fragments
  if (first !== undefined && fragments.length === 1) return first
  const whole = new Uint8Array(fragments.reduce((length, fragment) => length + fragment.length, 0))
  let at = 0
  for (const fragment of fragments) {
    whole.set(fragment, at)
    at += fragment.length
  }
  return whole
}
