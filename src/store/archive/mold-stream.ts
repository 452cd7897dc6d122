/** Finds the packets of one MoldUDP64 session among the frames of a capture, and counts what it leaves out. */
import { readAscii } from '../../wire/bytes.js'
import { checkDownstream, MOLD_SEQUENCE_AT } from '../../wire/moldudp64.js'
import type { CapturedFrame } from './captured-frame.js'
import { type Datagram, datagramOf, type Endpoint, type FrameSkip } from './frames.js'

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

  constructor(options: { readonly group?: Partial<Endpoint>; readonly session?: string }) {
    this.#group = options.group ?? {}
    this.session = options.session?.trim()
  }

  packetOf(frame: CapturedFrame): Uint8Array | undefined {
    const datagram = datagramOf(frame.link, frame.bytes)
    const reason = typeof datagram === 'string' ? datagram : this.#refuse(datagram)
    if (reason !== undefined) this.skipped[reason]++
    return typeof datagram === 'string' || reason !== undefined ? undefined : datagram.payload
  }

  #refuse({ address, port, payload }: Datagram): SkipReason | undefined {
    const { address: wantedAddress = address, port: wantedPort = port } = this.#group
    if (address !== wantedAddress || port !== wantedPort) return 'other-group'
    if (checkDownstream(payload) !== undefined) return 'not-moldudp64'
    const session = readAscii(payload, 0, MOLD_SEQUENCE_AT).trim()
    this.session ??= session
    if (session === this.session) return undefined
    if (this.otherSessions.size < MAX_NAMED_SESSIONS) this.otherSessions.add(session)
    return 'other-session'
  }
}
