/** Finds the packets of one MoldUDP64 session among the frames of a capture, and counts what it leaves out. */
import { readAscii } from '../../wire/bytes.js'
import {
  checkDownstream,
  MOLD_END_OF_SESSION,
  MOLD_HEADER_BYTES,
  MOLD_SEQUENCE_AT,
  moldCount,
  moldSequence,
} from '../../wire/moldudp64.js'
import type { CapturedFrame } from './captured-frame.js'
import { type Datagram, DatagramReader, type Endpoint, type FrameSkip } from './frames.js'

/**
 * Why a frame or a packet was not taken. `before-start`: it comes before the first event that is imported. `lost-branch`: a failover took
 * its events back.
 */
export type SkipReason =
  | FrameSkip
  | 'other-group'
  | 'not-moldudp64'
  | 'other-session'
  | 'repeat'
  | 'before-start'
  | 'lost-branch'

export type Skipped = Record<SkipReason, number>

const MAX_NAMED_SESSIONS = 10

export class MoldStream {
  readonly skipped: Skipped = {
    'not-udp': 0,
    'ip-fragment': 0,
    'cut-short': 0,
    'unknown-block': 0,
    'other-group': 0,
    'not-moldudp64': 0,
    'other-session': 0,
    repeat: 0,
    'before-start': 0,
    'lost-branch': 0,
  }
  /** Sessions that are in the capture, too; the first few. */
  readonly otherSessions = new Set<string>()
  /** The id in the packets, without padding; that of the first one, where none was asked for. */
  session: string | undefined
  readonly #group: Partial<Endpoint>
  readonly #datagrams = new DatagramReader()
  readonly #onCut: (nextSequence: number, frame: CapturedFrame) => void

  /** @param onCut hears of packets whose header is there and whose messages are not: of the sequence that comes after them */
  constructor(
    options: { readonly group?: Partial<Endpoint>; readonly session?: string },
    onCut: (nextSequence: number, frame: CapturedFrame) => void = () => {},
  ) {
    this.#onCut = onCut
    this.#group = options.group ?? {}
    this.session = options.session?.trim()
  }

  packetOf(frame: CapturedFrame): Uint8Array | undefined {
    const datagram = this.#datagrams.read(frame.link, frame.bytes)
    const reason = typeof datagram === 'string' ? datagram : this.#refuse(datagram)
    if (reason !== undefined) this.skipped[reason]++
    this.skipped['ip-fragment'] = this.#datagrams.leftFragments
    if (reason === 'cut-short' && typeof datagram !== 'string') this.#tellCut(datagram.payload, frame)
    return typeof datagram === 'string' || reason !== undefined ? undefined : datagram.payload
  }

  #tellCut(payload: Uint8Array, frame: CapturedFrame): void {
    if (payload.length < MOLD_HEADER_BYTES || readAscii(payload, 0, MOLD_SEQUENCE_AT).trim() !== this.session) return
    const count = moldCount(payload)
    const next = moldSequence(payload) + (count === MOLD_END_OF_SESSION ? 0 : count)
    if (Number.isSafeInteger(next)) this.#onCut(next, frame)
  }

  #refuse({ address, port, payload, isWhole }: Datagram): SkipReason | undefined {
    const { address: wantedAddress = address, port: wantedPort = port } = this.#group
    if (address !== wantedAddress || port !== wantedPort) return 'other-group'
    if (!isWhole) return 'cut-short'
    if (checkDownstream(payload) !== undefined) return 'not-moldudp64'
    const session = readAscii(payload, 0, MOLD_SEQUENCE_AT).trim()
    this.session ??= session
    if (session === this.session) return undefined
    if (this.otherSessions.size < MAX_NAMED_SESSIONS) this.otherSessions.add(session)
    return 'other-session'
  }
}
