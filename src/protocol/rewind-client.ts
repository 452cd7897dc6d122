/**
 * The client's side of a SoupBinTCP 3.00 connection: logs in, counts sequences, and hands on what comes as runs of message
 * blocks, one run for each read. Sans-io: bytes and time in, bytes out.
 */
import { type Counters, createCounters } from '../core/counters.js'
import { type Logger, silentLogger } from '../core/log.js'
import { copyBytes, writeU16 } from '../wire/bytes.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import {
  type LoginAccepted,
  loginRequestPacket,
  parseLoginAccepted,
  SOUP_CLIENT_HEARTBEAT,
  SOUP_DEBUG,
  SOUP_END_OF_SESSION,
  SOUP_HEARTBEAT_MS,
  SOUP_LOGIN_ACCEPTED,
  SOUP_LOGIN_REJECTED,
  SOUP_LOGOUT,
  SOUP_SEQUENCED,
  SOUP_SERVER_HEARTBEAT,
  SOUP_SILENCE_MS,
  SOUP_UNSEQUENCED,
  SoupParser,
  soupPacket,
} from '../wire/soupbintcp.js'

const HEARTBEAT_US = SOUP_HEARTBEAT_MS * 1000
const SILENCE_US = SOUP_SILENCE_MS * 1000
/** A run is handed on when it has grown so long, and at the end of each read. */
const RUN_BYTES = 64 * 1024
/** Room for the block that makes a run long enough. */
const RUN_BUFFER_BYTES = RUN_BYTES + BLOCK_LENGTH_BYTES + 0xffff
const NOT_AUTHORISED = 0x41

export interface RewindClientOptions {
  /** Blank asks for the server's current session. */
  readonly session: string
  /** The first sequence wanted; 0 asks for the most recent event. */
  readonly fromSequence: number
  /** At most 6 characters. */
  readonly username?: string
  /** At most 10 characters. */
  readonly password?: string
  readonly logger?: Logger
}

/** Why it is over. Only `end-of-session` means that everything was delivered. */
export type RewindEndReason =
  | 'end-of-session'
  | 'not-authorised'
  | 'session-not-available'
  | 'foreign-session'
  | 'malformed'
  | 'unexpected-packet'
  | 'silent'
  | 'disconnected'
  | 'stopped'

export interface RewindClientOutput {
  send(bytes: Uint8Array): void
  /** Close the connection; what was sent before is still to be delivered. Not called where the peer closed it. */
  close(reason: RewindEndReason): void
  /**
   * The server accepted, and its next event is `sequence`. Above `fromSequence`: it does not have what is between. Below: the
   * session does not reach `fromSequence` yet; runs begin there all the same.
   */
  started(sequence: number, session: string): void
  /** In order, without hole, nothing below `fromSequence`. Valid during the call. */
  run(sequence: number, count: number, bytes: Uint8Array, start: number, end: number): void
  /** Called once. */
  ended(reason: RewindEndReason): void
}

export type RewindClientState = 'connecting' | 'login' | 'streaming' | 'ended'
export type RewindClientCounter = 'events' | 'runs' | 'skipped' | 'heartbeats' | 'ignoredDebug' | 'ignoredUnsequenced'

export class RewindClient {
  readonly counters: Counters<RewindClientCounter> = createCounters([
    'events',
    'runs',
    'skipped',
    'heartbeats',
    'ignoredDebug',
    'ignoredUnsequenced',
  ])
  readonly #options: RewindClientOptions
  readonly #output: RewindClientOutput
  readonly #logger: Logger
  readonly #parser: SoupParser
  readonly #run = new Uint8Array(RUN_BUFFER_BYTES)
  #runLength = 0
  #runCount = 0
  #state: RewindClientState = 'connecting'
  /** The sequence of the next sequenced packet. */
  #nextSequence = 0
  #heardUs = 0
  #sentUs = 0

  constructor(options: RewindClientOptions, output: RewindClientOutput) {
    this.#options = options
    this.#output = output
    this.#logger = options.logger ?? silentLogger
    this.#parser = new SoupParser((type, bytes, at, end) => this.#onPacket(type, bytes, at, end))
  }

  get state(): RewindClientState {
    return this.#state
  }

  /** The sequence of the next event that the server sends; 0 before it accepted. */
  get nextSequence(): number {
    return this.#nextSequence
  }

  /** The connection is there: logs in. @throws RangeError where username, password or session are too long */
  onConnected(nowUs: number): void {
    if (this.#state !== 'connecting') return
    const { session, fromSequence, username = '', password = '' } = this.#options
    this.#heardUs = nowUs
    this.#transition('login', `from ${fromSequence}`)
    this.#send(loginRequestPacket({ username, password, session, sequence: fromSequence }), nowUs)
  }

  onBytes(bytes: Uint8Array, nowUs: number): void {
    if (!this.#isActive()) return
    this.#heardUs = nowUs
    const reason = this.#parser.push(bytes)
    this.#flushRun()
    if (reason !== undefined) this.#end('malformed', reason)
  }

  /** The peer closed the connection, or it failed. */
  onDisconnected(detail: string): void {
    if (this.#state === 'ended') return
    this.#transition('ended', `disconnected: ${detail}`)
    this.#output.ended('disconnected')
  }

  /** Logs out and closes. */
  stop(nowUs: number): void {
    if (this.#isActive()) this.#send(soupPacket(SOUP_LOGOUT), nowUs)
    this.#end('stopped', 'asked to')
  }

  /** @returns when to call again, in microseconds, or Infinity */
  tick(nowUs: number): number {
    if (!this.#isActive()) return Number.POSITIVE_INFINITY
    if (nowUs >= this.#heardUs + SILENCE_US) {
      this.#end('silent', `nothing heard for ${SOUP_SILENCE_MS} ms`)
      return Number.POSITIVE_INFINITY
    }
    if (this.#state === 'login') return this.#heardUs + SILENCE_US
    if (nowUs >= this.#sentUs + HEARTBEAT_US) {
      this.counters.heartbeats++
      this.#send(soupPacket(SOUP_CLIENT_HEARTBEAT), nowUs)
    }
    return Math.min(this.#heardUs + SILENCE_US, this.#sentUs + HEARTBEAT_US)
  }

  /** @returns false when nothing more is to be parsed */
  #onPacket(type: number, bytes: Uint8Array, at: number, end: number): boolean {
    if (type === SOUP_SEQUENCED && this.#state === 'streaming') {
      this.#onSequenced(bytes, at, end)
      return true
    }
    if (type === SOUP_SERVER_HEARTBEAT) return true
    if (type === SOUP_DEBUG) this.counters.ignoredDebug++
    else if (type === SOUP_UNSEQUENCED) this.counters.ignoredUnsequenced++
    else if (type === SOUP_END_OF_SESSION) this.#end('end-of-session', `after ${this.#nextSequence - 1}`)
    else if (type === SOUP_LOGIN_REJECTED && this.#state === 'login') this.#onRejected(bytes, at, end)
    else if (type === SOUP_LOGIN_ACCEPTED && this.#state === 'login') {
      this.#onAccepted(parseLoginAccepted(bytes.subarray(at, end)))
    } else this.#end('unexpected-packet', `type 0x${type.toString(16)} while ${this.#state}`)
    return this.#isActive()
  }

  #onAccepted(accepted: LoginAccepted | string): void {
    const { session } = this.#options
    if (typeof accepted === 'string') this.#end('malformed', accepted)
    else if (session !== '' && accepted.session !== session) this.#end('foreign-session', accepted.session)
    else {
      this.#nextSequence = accepted.sequence
      this.#transition('streaming', `session '${accepted.session}' from ${accepted.sequence}`)
      this.#output.started(accepted.sequence, accepted.session)
    }
  }

  #onRejected(bytes: Uint8Array, at: number, end: number): void {
    if (end - at !== 1) this.#end('malformed', 'bad-reject-length')
    else this.#end(bytes[at] === NOT_AUTHORISED ? 'not-authorised' : 'session-not-available', 'login rejected')
  }

  #onSequenced(bytes: Uint8Array, at: number, end: number): void {
    this.#nextSequence++
    if (this.#nextSequence <= this.#options.fromSequence) {
      this.counters.skipped++
      return
    }
    const to = this.#runLength
    writeU16(this.#run, to, end - at)
    copyBytes(bytes, at, end, this.#run, to + BLOCK_LENGTH_BYTES)
    this.#runLength = to + BLOCK_LENGTH_BYTES + end - at
    this.#runCount++
    if (this.#runLength >= RUN_BYTES) this.#flushRun()
  }

  #flushRun(): void {
    const count = this.#runCount
    if (count === 0) return
    const lengthBytes = this.#runLength
    this.#runCount = 0
    this.#runLength = 0
    this.counters.events += count
    this.counters.runs++
    this.#output.run(this.#nextSequence - count, count, this.#run, 0, lengthBytes)
  }

  #isActive(): boolean {
    return this.#state === 'login' || this.#state === 'streaming'
  }

  #send(bytes: Uint8Array, nowUs: number): void {
    this.#sentUs = nowUs
    this.#output.send(bytes)
  }

  #end(reason: RewindEndReason, detail: string): void {
    if (this.#state === 'ended') return
    this.#flushRun()
    this.#transition('ended', `${reason}: ${detail}`)
    this.#output.close(reason)
    this.#output.ended(reason)
  }

  #transition(next: RewindClientState, reason: string): void {
    this.#logger.debug({ session: this.#options.session, from: this.#state, to: next, reason }, 'rewind client')
    this.#state = next
  }
}
