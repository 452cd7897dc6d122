/**
 * The server's side of one SoupBinTCP 3.00 connection: a client logs in with session and sequence, gets every event from
 * there on out of a log, and then live, at its own pace. Sans-io: bytes and time in, bytes out.
 *
 * Where a login asks for what is not there, the acceptance says so: it names "the sequence number of the next sequenced
 * message to be sent". A sequence past the end is accepted with the end (the client sees a lower number than it asked for,
 * and counts on from it); one before the beginning of the log with the beginning. Sequence 0 starts with the most
 * recently recorded event.
 */
import { type Counters, createCounters } from '../core/counters.js'
import { messageOf } from '../core/errors.js'
import { REWIND_BUFFER_BYTES } from '../core/limits.js'
import { type Logger, silentLogger } from '../core/log.js'
import {
  type LoginRejectReason,
  type LoginRequest,
  loginAcceptedPacket,
  loginRejectedPacket,
  parseLoginRequest,
  SOUP_CLIENT_HEARTBEAT,
  SOUP_DEBUG,
  SOUP_END_OF_SESSION,
  SOUP_HEARTBEAT_MS,
  SOUP_LOGIN_REQUEST,
  SOUP_LOGOUT,
  SOUP_SERVER_HEARTBEAT,
  SOUP_SILENCE_MS,
  SOUP_UNSEQUENCED,
  SoupParser,
  soupPacket,
} from '../wire/soupbintcp.js'
import type { EventLog } from './event-log.js'
import { SequencedBatch } from './sequenced-batch.js'

const HEARTBEAT_US = SOUP_HEARTBEAT_MS * 1000
const SILENCE_US = SOUP_SILENCE_MS * 1000
/** Recorded packets for each read of the log: bounds the turn, and how long pages are pinned. */
const PACKETS_PER_READ = 64

/** A session that can be read. */
export interface RewindTarget {
  readonly log: RewindLog
  readonly session: string
  /** True when the session has ended and all of it is committed. */
  readonly ended: boolean
}

/** Tells the session that a login names (blank: the current one), at once or later; undefined where it is not to be had. */
export type FindTarget = (session: string, found: (target: RewindTarget | undefined) => void) => void

/** What a rewind needs of a log. */
export type RewindLog = Pick<EventLog, 'read' | 'firstSequence' | 'committedSequence'>

export interface RewindSessionOptions {
  readonly find: FindTarget
  /** When given, a login must carry them; compared without regard to case, as the specification asks. */
  readonly credentials?: { readonly username: string; readonly password: string }
  /** Reading from the log pauses while the connection has this much outstanding; also what one call sends at most. */
  readonly maxBufferedBytes?: number
  readonly logger?: Logger
}

/** Why the server closes. */
export type RewindCloseReason =
  | LoginRejectReason
  | 'session-ended'
  | 'logout'
  | 'silent'
  | 'malformed'
  | 'unexpected-packet'
  | 'log-failed'
  | 'truncated'

export interface RewindSessionOutput {
  /** The bytes are handed over. */
  send(bytes: Uint8Array): void
  /** Called once. What was sent before is still to be delivered. */
  close(reason: RewindCloseReason): void
  /** What was sent and not yet taken by the network. */
  bufferedBytes(): number
}

export type RewindSessionState = 'login' | 'streaming' | 'closed'
export type RewindSessionCounter = 'sentEvents' | 'sentBatches' | 'heartbeats' | 'ignoredDebug' | 'ignoredUnsequenced'

const NO_LOG: RewindLog = { read: () => 1, firstSequence: 1, committedSequence: 0 }

export class RewindSession {
  readonly counters: Counters<RewindSessionCounter> = createCounters([
    'sentEvents',
    'sentBatches',
    'heartbeats',
    'ignoredDebug',
    'ignoredUnsequenced',
  ])
  readonly #find: FindTarget
  readonly #credentials: { readonly username: string; readonly password: string } | undefined
  readonly #maxBufferedBytes: number
  readonly #output: RewindSessionOutput
  readonly #logger: Logger
  readonly #parser: SoupParser
  readonly #batch: SequencedBatch
  #state: RewindSessionState = 'login'
  /** The session that was logged in to. */
  #log: RewindLog = NO_LOG
  #session = ''
  #isFinding = false
  #ended = false
  #nextSequence = 0
  /** What this call may still send. */
  #budgetBytes = 0
  /** A send may call back; what is read is sent once. */
  #pumping = false
  #heardUs = Number.NaN
  #sentUs = 0
  #nowUs = 0

  constructor(options: RewindSessionOptions, output: RewindSessionOutput) {
    this.#find = options.find
    this.#credentials = options.credentials
    this.#maxBufferedBytes = options.maxBufferedBytes ?? REWIND_BUFFER_BYTES
    this.#output = output
    this.#logger = options.logger ?? silentLogger
    this.#parser = new SoupParser((type, bytes, at, end) => this.#onPacket(type, bytes, at, end))
    this.#batch = new SequencedBatch((bytes) => this.#sendBatch(bytes))
  }

  get state(): RewindSessionState {
    return this.#state
  }

  /** The sequence of the next event to send; 0 before the login. */
  get nextSequence(): number {
    return this.#nextSequence
  }

  onBytes(bytes: Uint8Array, nowUs: number): void {
    if (this.#state === 'closed') return
    this.#nowUs = nowUs
    // Before the login bytes are no sign of life: a client could hold its place for ever with one now and then.
    if (this.#state !== 'login' || Number.isNaN(this.#heardUs)) this.#heardUs = nowUs
    const reason = this.#parser.push(bytes)
    if (reason !== undefined) this.#close('malformed', reason)
    this.#pump(nowUs)
  }

  /** The network has taken what was outstanding. */
  onDrained(nowUs: number): void {
    this.#pump(nowUs)
  }

  /** More events can be read. */
  onCommitted(nowUs: number): void {
    this.#pump(nowUs)
  }

  /** The session has ended, and all of it is committed: the end follows the last event. */
  onSessionEnded(nowUs: number): void {
    this.#ended = true
    this.#pump(nowUs)
  }

  /**
   * The log has taken back its events from `fromSequence` on. A client that was sent some of them has to begin anew: a
   * connection can't go back. The session, if it had ended there, goes on.
   */
  onTruncated(fromSequence: number, nowUs: number): void {
    this.#nowUs = nowUs
    this.#ended = false
    if (this.#state !== 'streaming' || this.#nextSequence <= fromSequence) return
    this.#close('truncated', `events from ${fromSequence} on were sent and taken back`)
  }

  /** @returns when to call again, in microseconds: at once while more can be sent without waiting for the network */
  tick(nowUs: number): number {
    if (Number.isNaN(this.#heardUs)) this.#heardUs = nowUs
    this.#pump(nowUs)
    if (this.#state !== 'closed' && nowUs >= this.#heardUs + SILENCE_US) this.#close('silent', 'nothing heard')
    if (this.#state === 'closed') return Number.POSITIVE_INFINITY
    const silenceUs = this.#heardUs + SILENCE_US
    if (this.#state === 'login') return silenceUs
    if (nowUs >= this.#sentUs + HEARTBEAT_US) this.#heartbeat(nowUs)
    if (this.#canSend()) return nowUs
    return Math.min(silenceUs, this.#sentUs + HEARTBEAT_US)
  }

  /** @returns false when nothing more is to be parsed */
  #onPacket(type: number, bytes: Uint8Array, at: number, end: number): boolean {
    if (type === SOUP_CLIENT_HEARTBEAT) return true
    if (type === SOUP_DEBUG) this.counters.ignoredDebug++
    else if (type === SOUP_UNSEQUENCED) this.counters.ignoredUnsequenced++
    else if (type === SOUP_LOGOUT) this.#close('logout', 'asked by the client')
    else if (type === SOUP_LOGIN_REQUEST && this.#state === 'login' && !this.#isFinding)
      this.#onLogin(parseLoginRequest(bytes.subarray(at, end)))
    else this.#close('unexpected-packet', `type 0x${type.toString(16)} while ${this.#state}`)
    return this.#isOpen()
  }

  #onLogin(login: LoginRequest | string): void {
    if (typeof login === 'string') this.#close('malformed', login)
    else if (!this.#isAuthorised(login)) this.#reject('not-authorised', login)
    else {
      this.#isFinding = true
      this.#find(login.session, (target) => this.#onFound(login, target))
    }
  }

  #onFound(login: LoginRequest, target: RewindTarget | undefined): void {
    if (this.#state !== 'login') return
    if (target === undefined) {
      this.#reject('session-not-available', login)
      return
    }
    this.#log = target.log
    this.#session = target.session
    this.#ended = target.ended
    this.#accept(login)
  }

  #accept(login: LoginRequest): void {
    const first = this.#log.firstSequence
    const next = Math.max(first, this.#log.committedSequence + 1)
    const wanted = login.sequence === 0 ? next - 1 : login.sequence
    this.#nextSequence = Math.max(first, Math.min(wanted, next))
    this.#heardUs = this.#nowUs
    this.#send(loginAcceptedPacket({ session: this.#session, sequence: this.#nextSequence }))
    this.#transition('streaming', `login from ${login.sequence}, starts at ${this.#nextSequence}`)
  }

  #isAuthorised(login: LoginRequest): boolean {
    const wanted = this.#credentials
    if (wanted === undefined) return true
    return isSameText(login.username, wanted.username) && isSameText(login.password, wanted.password)
  }

  #reject(reason: LoginRejectReason, login: LoginRequest): void {
    this.#send(loginRejectedPacket(reason))
    this.#close(reason, `login of '${login.username}' to session '${login.session}'`)
  }

  #isOpen(): boolean {
    return this.#state !== 'closed'
  }

  #canSend(): boolean {
    return this.#nextSequence <= this.#log.committedSequence && this.#output.bufferedBytes() < this.#maxBufferedBytes
  }

  /** Sends what can be read, until the network, or this call's share, is full. */
  #pump(nowUs: number): void {
    if (this.#state !== 'streaming' || this.#pumping) return
    this.#nowUs = nowUs
    this.#pumping = true
    try {
      this.#readAndSend()
    } catch (thrown) {
      this.#logger.error({ session: this.#session, sequence: this.#nextSequence }, messageOf(thrown))
      this.#send(soupPacket(SOUP_DEBUG, asciiOf(messageOf(thrown))))
      this.#close('log-failed', messageOf(thrown))
    } finally {
      this.#pumping = false
    }
    if (!this.#ended || !this.#isOpen() || this.#nextSequence <= this.#log.committedSequence) return
    this.#send(soupPacket(SOUP_END_OF_SESSION))
    this.#close('session-ended', `after ${this.#nextSequence - 1}`)
  }

  #readAndSend(): void {
    this.#budgetBytes = this.#maxBufferedBytes
    try {
      while (this.#budgetBytes > 0 && this.#canSend()) {
        const before = this.#nextSequence
        this.#log.read(before, PACKETS_PER_READ, this.#visit)
        if (this.#nextSequence === before) return
      }
    } finally {
      this.#batch.flush()
    }
  }

  readonly #visit = (sequence: number, count: number, bytes: Uint8Array, start: number, end: number): boolean => {
    if (sequence !== this.#nextSequence) throw new Error(`log: read ${sequence} instead of ${this.#nextSequence}`)
    this.#batch.add(count, bytes, start, end)
    this.#nextSequence = sequence + count
    this.counters.sentEvents += count
    return this.#budgetBytes > 0 && this.#output.bufferedBytes() < this.#maxBufferedBytes
  }

  #sendBatch(bytes: Uint8Array): void {
    this.#budgetBytes -= bytes.length
    this.counters.sentBatches++
    this.#send(bytes)
  }

  #heartbeat(nowUs: number): void {
    this.#nowUs = nowUs
    // A client that does not read has bytes waiting for it; a heartbeat behind them would tell it nothing.
    if (this.#output.bufferedBytes() > 0) {
      this.#sentUs = nowUs
      return
    }
    this.counters.heartbeats++
    this.#send(soupPacket(SOUP_SERVER_HEARTBEAT))
  }

  #send(bytes: Uint8Array): void {
    this.#sentUs = this.#nowUs
    this.#output.send(bytes)
  }

  #close(reason: RewindCloseReason, detail: string): void {
    if (this.#state === 'closed') return
    this.#transition('closed', `${reason}: ${detail}`)
    this.#output.close(reason)
  }

  #transition(next: RewindSessionState, reason: string): void {
    this.#logger.debug({ session: this.#session, from: this.#state, to: next, reason }, 'rewind session')
    this.#state = next
  }
}

function isSameText(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

function asciiOf(text: string): Uint8Array {
  return Uint8Array.from(text.slice(0, 1024), (character) => character.charCodeAt(0) & 0x7f)
}
