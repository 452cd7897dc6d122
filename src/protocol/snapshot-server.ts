/**
 * The server's side of a connection that gives a checkpoint: login, snapshot, the sequence to go on from, end. Sans-io: bytes and time in,
 * bytes out. No more is handed to the network than it takes.
 */
import { REWIND_BUFFER_BYTES } from '../core/limits.js'
import { type Logger, silentLogger } from '../core/log.js'
import { type Checkpoint, encodeCheckpointHeader } from '../wire/checkpoint.js'
import {
  endOfSnapshotPacket,
  SNAPSHOT_DATA,
  SNAPSHOT_HEADER,
  SNAPSHOT_PIECE_BYTES,
  snapshotPacket,
} from '../wire/snapshot.js'
import {
  LOGIN_REQUEST_PAYLOAD_BYTES,
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

const HEARTBEAT_US = SOUP_HEARTBEAT_MS * 1000
const SILENCE_US = SOUP_SILENCE_MS * 1000
/** A client has no more to say than its login. */
const MAX_CLIENT_PAYLOAD_BYTES = 1_024

export interface SnapshotSessionOptions {
  /** The id that a login must name, unless it leaves it blank. */
  readonly session: string
  /** The newest one, or undefined where there is none yet. */
  readonly newest: () => Checkpoint | undefined
  readonly maxBufferedBytes?: number
  readonly logger?: Logger
}

export type SnapshotCloseReason =
  | 'session-not-available'
  | 'complete'
  | 'logout'
  | 'silent'
  | 'malformed'
  | 'unexpected-packet'

export interface SnapshotSessionOutput {
  send(bytes: Uint8Array): void
  /** Called once. What was sent before is still to be delivered. */
  close(reason: SnapshotCloseReason): void
  /** What was sent and not yet taken by the network. */
  bufferedBytes(): number
}

interface Part {
  readonly type: number
  readonly bytes: Uint8Array
}

export class SnapshotSession {
  readonly #options: SnapshotSessionOptions
  readonly #output: SnapshotSessionOutput
  readonly #logger: Logger
  readonly #maxBufferedBytes: number
  readonly #parser: SoupParser
  #state: 'login' | 'sending' | 'draining' | 'closed' = 'login'
  /** What is left to send, and how much of its first part was. */
  #parts: Part[] = []
  #at = 0
  #nextSequence = 0
  #isPumping = false
  #heardUs = Number.NaN
  #sentUs = 0

  constructor(options: SnapshotSessionOptions, output: SnapshotSessionOutput) {
    this.#options = options
    this.#output = output
    this.#logger = options.logger ?? silentLogger
    this.#maxBufferedBytes = options.maxBufferedBytes ?? REWIND_BUFFER_BYTES
    const most = Math.max(MAX_CLIENT_PAYLOAD_BYTES, LOGIN_REQUEST_PAYLOAD_BYTES)
    this.#parser = new SoupParser((type, bytes, at, end) => this.#onPacket(type, bytes.subarray(at, end)), most)
  }

  onBytes(bytes: Uint8Array, nowUs: number): void {
    if (this.#state === 'closed') return
    // Before the login bytes are no sign of life: a client could hold its place for ever with one now and then.
    if (this.#state !== 'login' || Number.isNaN(this.#heardUs)) this.#heardUs = nowUs
    this.#sentUs = nowUs
    const reason = this.#parser.push(bytes)
    if (reason !== undefined) this.#close('malformed', reason)
    this.#pump()
  }

  /** The network has taken what was outstanding. */
  onDrained(nowUs: number): void {
    this.#sentUs = nowUs
    this.#pump()
  }

  /** @returns when to call again, in microseconds */
  tick(nowUs: number): number {
    if (Number.isNaN(this.#heardUs)) this.#heardUs = nowUs
    this.#pump()
    if (this.#state !== 'closed' && nowUs >= this.#heardUs + SILENCE_US) this.#close('silent', 'nothing heard')
    if (this.#state === 'closed') return Number.POSITIVE_INFINITY
    if (this.#state !== 'sending') return this.#heardUs + SILENCE_US
    if (nowUs >= this.#sentUs + HEARTBEAT_US) {
      this.#sentUs = nowUs
      // Behind bytes that the client does not read a heartbeat tells it nothing.
      if (this.#output.bufferedBytes() === 0) this.#output.send(soupPacket(SOUP_SERVER_HEARTBEAT))
    }
    return Math.min(this.#heardUs + SILENCE_US, this.#sentUs + HEARTBEAT_US)
  }

  /** @returns false when nothing more is to be parsed */
  #onPacket(type: number, payload: Uint8Array): boolean {
    if (type === SOUP_CLIENT_HEARTBEAT || type === SOUP_DEBUG || type === SOUP_UNSEQUENCED) return true
    if (type === SOUP_LOGOUT) this.#close('logout', 'asked by the client')
    else if (type === SOUP_LOGIN_REQUEST && this.#state === 'login') this.#onLogin(payload)
    else this.#close('unexpected-packet', `type 0x${type.toString(16)} while ${this.#state}`)
    return this.#state !== 'closed'
  }

  #onLogin(payload: Uint8Array): void {
    const login = parseLoginRequest(payload)
    const { session, newest } = this.#options
    if (typeof login === 'string') {
      this.#close('malformed', login)
      return
    }
    const checkpoint = login.session === '' || login.session === session ? newest() : undefined
    if (checkpoint === undefined) {
      this.#output.send(loginRejectedPacket('session-not-available'))
      this.#close('session-not-available', `login to session '${login.session}'`)
      return
    }
    const { header, body } = checkpoint
    this.#nextSequence = header.sequence + 1
    this.#parts = [
      { type: SNAPSHOT_HEADER, bytes: encodeCheckpointHeader(header) },
      { type: SNAPSHOT_DATA, bytes: body },
    ]
    this.#output.send(loginAcceptedPacket({ session, sequence: 1 }))
    this.#transition('sending', `the checkpoint at event ${header.sequence}, ${body.length} bytes`)
  }

  #pump(): void {
    // Closed before, a client that is slow would lose the end.
    if (this.#state === 'draining' && this.#output.bufferedBytes() === 0) {
      this.#close('complete', `go on from ${this.#nextSequence}`)
    }
    if (this.#state !== 'sending' || this.#isPumping) return
    this.#isPumping = true
    let part = this.#parts[0]
    while (part !== undefined && this.#output.bufferedBytes() < this.#maxBufferedBytes) {
      const end = Math.min(this.#at + SNAPSHOT_PIECE_BYTES, part.bytes.length)
      if (end > this.#at) this.#output.send(snapshotPacket(part.type, part.bytes.subarray(this.#at, end)))
      this.#at = end
      if (end === part.bytes.length) {
        this.#parts.shift()
        this.#at = 0
        part = this.#parts[0]
      }
    }
    this.#isPumping = false
    if (part !== undefined) return
    this.#output.send(endOfSnapshotPacket(this.#nextSequence))
    this.#output.send(soupPacket(SOUP_END_OF_SESSION))
    this.#transition('draining', 'all of it is sent')
    this.#pump()
  }

  #close(reason: SnapshotCloseReason, detail: string): void {
    if (this.#state === 'closed') return
    this.#parts = []
    this.#transition('closed', `${reason}: ${detail}`)
    this.#output.close(reason)
  }

  #transition(next: 'sending' | 'draining' | 'closed', reason: string): void {
    this.#logger.debug({ session: this.#options.session, from: this.#state, to: next, reason }, 'snapshot session')
    this.#state = next
  }
}
