/**
 * The client's side of a connection that gives a checkpoint. Sans-io: bytes and time in, bytes out. The server may be anybody: nothing is
 * kept beyond the bounds, and what does not fit together ends the connection with a reason.
 */
import { CHECKPOINT_BYTES } from '../core/limits.js'
import { type Logger, silentLogger } from '../core/log.js'
import { type Checkpoint, type CheckpointHeader, decodeCheckpointHeader } from '../wire/checkpoint.js'
import { parseEndOfSnapshot, SNAPSHOT_DATA, SNAPSHOT_END, SNAPSHOT_HEADER } from '../wire/snapshot.js'
import {
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
/** A machine that is not there does not answer at all. */
const CONNECT_US = 3_000_000
/** Who starts waits so long, and for each byte a microsecond more: heartbeats alone hold nobody up. */
const PATIENCE_US = 20_000_000
/** Thousands of epochs fit. */
const MAX_HEADER_BYTES = 1024 * 1024
const LEAST_ROOM_BYTES = 64 * 1024

export interface SnapshotClientOptions {
  readonly session: string
  /** Whether the body is worth its way. */
  readonly wants: (header: CheckpointHeader) => boolean
  readonly maxBodyBytes?: number
  readonly logger?: Logger
}

export interface SnapshotClientOutput {
  send(bytes: Uint8Array): void
  close(): void
  /** Called once: with the whole checkpoint, whose body is not looked at yet, or with the reason why there is none. */
  ended(result: Checkpoint | string): void
}

export class SnapshotClient {
  readonly #options: SnapshotClientOptions
  readonly #output: SnapshotClientOutput
  readonly #logger: Logger
  readonly #parser: SoupParser
  #state: 'connecting' | 'login' | 'reading' | 'ended' = 'connecting'
  #header: CheckpointHeader | undefined
  /** The header, and then the body, as far as it has come; behind it is room for more. */
  #bytes = new Uint8Array(0)
  #lengthBytes = 0
  #beganUs = 0
  #receivedBytes = 0
  #heardUs = Number.NaN
  #sentUs = 0

  constructor(options: SnapshotClientOptions, output: SnapshotClientOutput) {
    this.#options = options
    this.#output = output
    this.#logger = options.logger ?? silentLogger
    this.#parser = new SoupParser((type, bytes, at, end) => this.#onPacket(type, bytes.subarray(at, end)))
  }

  /** The connection is there: logs in. */
  onConnected(nowUs: number): void {
    if (this.#state !== 'connecting') return
    this.#heardUs = nowUs
    this.#sentUs = nowUs
    this.#beganUs = nowUs
    this.#transition('login', 'connected')
    const { session } = this.#options
    this.#output.send(loginRequestPacket({ username: '', password: '', session, sequence: 1 }))
  }

  onBytes(bytes: Uint8Array, nowUs: number): void {
    if (!this.#isActive()) return
    this.#heardUs = nowUs
    const reason = this.#parser.push(bytes)
    if (reason !== undefined) this.#end(`it sent what is no SoupBinTCP: ${reason}`)
  }

  /** The peer closed the connection, or it failed. */
  onDisconnected(detail: string): void {
    this.#end(`the connection was closed: ${detail}`)
  }

  /** @returns when to call again, in microseconds, or Infinity */
  tick(nowUs: number): number {
    if (this.#state === 'ended') return Number.POSITIVE_INFINITY
    if (Number.isNaN(this.#heardUs)) this.#heardUs = nowUs
    const patienceUs = this.#state === 'connecting' ? CONNECT_US : SILENCE_US
    if (nowUs >= this.#heardUs + patienceUs) {
      this.#end(`nothing was heard for ${patienceUs / 1_000} ms`)
      return Number.POSITIVE_INFINITY
    }
    if (this.#state === 'connecting') return this.#heardUs + patienceUs
    const dueUs = this.#beganUs + PATIENCE_US + this.#receivedBytes
    if (nowUs >= dueUs) {
      this.#end(`it is too slow: ${this.#receivedBytes} bytes in ${Math.round((nowUs - this.#beganUs) / 1_000)} ms`)
      return Number.POSITIVE_INFINITY
    }
    if (nowUs >= this.#sentUs + HEARTBEAT_US) {
      this.#sentUs = nowUs
      this.#output.send(soupPacket(SOUP_CLIENT_HEARTBEAT))
    }
    return Math.min(this.#heardUs + SILENCE_US, this.#sentUs + HEARTBEAT_US, dueUs)
  }

  /** @returns false when nothing more is to be parsed */
  #onPacket(type: number, payload: Uint8Array): boolean {
    if (type === SOUP_SERVER_HEARTBEAT || type === SOUP_DEBUG || type === SOUP_UNSEQUENCED) return true
    if (type === SOUP_SEQUENCED && this.#state === 'reading') this.#onMessage(payload)
    else if (type === SOUP_LOGIN_ACCEPTED && this.#state === 'login') this.#onAccepted(payload)
    else if (type === SOUP_LOGIN_REJECTED && this.#state === 'login') {
      this.#end(`it has no checkpoint of session ${this.#options.session}`)
    } else if (type === SOUP_END_OF_SESSION) this.#end('it ended before the snapshot was whole')
    else this.#end(`an unexpected packet of type 0x${type.toString(16)}`)
    return this.#isActive()
  }

  #onAccepted(payload: Uint8Array): void {
    const accepted = parseLoginAccepted(payload)
    const { session } = this.#options
    if (typeof accepted === 'string') this.#end(`a malformed answer to the login: ${accepted}`)
    else if (accepted.session !== session) this.#end(`it is of session ${accepted.session}`)
    else this.#transition('reading', 'logged in')
  }

  #onMessage(message: Uint8Array): void {
    const type = message[0]
    const payload = message.subarray(1)
    // Any number of them would stay within the bounds of bytes.
    if (payload.length === 0) this.#end('an empty piece')
    else if (type === SNAPSHOT_HEADER && this.#header === undefined) this.#onHeaderPiece(payload)
    else if (type === SNAPSHOT_DATA && this.#completeHeader()) this.#onBodyPiece(payload)
    else if (type === SNAPSHOT_END && this.#completeHeader()) this.#onSnapshotEnd(payload)
    else if (this.#isActive()) this.#end(`an unexpected message of type 0x${type?.toString(16)}`)
  }

  #onHeaderPiece(piece: Uint8Array): void {
    if (this.#lengthBytes + piece.length > MAX_HEADER_BYTES)
      this.#end(`a header of more than ${MAX_HEADER_BYTES} bytes`)
    else this.#append(piece, MAX_HEADER_BYTES)
  }

  /** @returns whether the header is there, and the body wanted */
  #completeHeader(): boolean {
    if (this.#header !== undefined) return true
    const header = decodeCheckpointHeader(this.#bytes.slice(0, this.#lengthBytes))
    this.#bytes = new Uint8Array(0)
    this.#lengthBytes = 0
    const most = this.#options.maxBodyBytes ?? CHECKPOINT_BYTES
    if (header === undefined) this.#end('its header is none of this version')
    else if (header.bodyBytes > most) this.#end(`its checkpoint has ${header.bodyBytes} bytes, more than ${most}`)
    else if (!this.#options.wants(header)) this.#end(`its checkpoint at event ${header.sequence} is not wanted`)
    else this.#header = header
    return this.#header !== undefined
  }

  #onBodyPiece(piece: Uint8Array): void {
    const bodyBytes = this.#header?.bodyBytes ?? 0
    if (this.#lengthBytes + piece.length > bodyBytes) this.#end('more bytes than its header says')
    else this.#append(piece, bodyBytes)
  }

  /** Room is made as bytes come, and not as they are promised; pieces of one byte each take no more of it. */
  #append(piece: Uint8Array, mostBytes: number): void {
    const wanted = this.#lengthBytes + piece.length
    if (wanted > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(mostBytes, Math.max(LEAST_ROOM_BYTES, wanted, 2 * this.#bytes.length)))
      grown.set(this.#bytes.subarray(0, this.#lengthBytes))
      this.#bytes = grown
    }
    this.#bytes.set(piece, this.#lengthBytes)
    this.#lengthBytes = wanted
    this.#receivedBytes += piece.length
  }

  #onSnapshotEnd(payload: Uint8Array): void {
    const header = this.#header
    if (header === undefined) return
    const { sequence, bodyBytes } = header
    if (this.#lengthBytes !== bodyBytes) this.#end(`${this.#lengthBytes} bytes of ${bodyBytes}`)
    else if (parseEndOfSnapshot(payload) !== sequence + 1)
      this.#end('the sequence to go on from is not the one after it')
    else this.#end({ header, body: this.#bytes.subarray(0, bodyBytes) })
  }

  #isActive(): boolean {
    return this.#state === 'login' || this.#state === 'reading'
  }

  #end(result: Checkpoint | string): void {
    if (this.#state === 'ended') return
    if (this.#isActive()) this.#output.send(soupPacket(SOUP_LOGOUT))
    this.#transition('ended', typeof result === 'string' ? result : 'complete')
    this.#bytes = new Uint8Array(0)
    this.#output.close()
    this.#output.ended(result)
  }

  #transition(next: 'login' | 'reading' | 'ended', reason: string): void {
    this.#logger.debug({ session: this.#options.session, from: this.#state, to: next, reason }, 'snapshot client')
    this.#state = next
  }
}
