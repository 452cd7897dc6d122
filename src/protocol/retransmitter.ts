/**
 * Answers MoldUDP64 requests, for the sequencer from its window and for a store from its log. A storm of requests cannot
 * take its owner down: what goes out is bounded per request and per second, and the same request of the same peer is
 * answered once in a while only. What is not answered is counted; the receiver asks again, or asks another.
 */
import { createCounters } from '../core/counters.js'
import { messageOf } from '../core/errors.js'
import { AUTH_TAG_BYTES, RETRANSMIT_BURST_PACKETS } from '../core/limits.js'
import { type Logger, silentLogger } from '../core/log.js'
import { sessionBytes } from '../core/session.js'
import { bytesEqualAt, readU16 } from '../wire/bytes.js'
import { BLOCK_LENGTH_BYTES, checkRequest, MOLD_HEADER_BYTES, moldCount, moldSequence } from '../wire/moldudp64.js'
import type { EventLog, RunVisitor } from './event-log.js'
import { PacketBuilder } from './packet-builder.js'
import type { Peer } from './peer.js'

/** Where answers come from: a log, or the sequencer's window. */
export type RetransmissionSource = Pick<EventLog, 'firstSequence' | 'committedSequence' | 'read'>

export interface RetransmitterOptions {
  readonly session: string
  /** The session's largest datagram, authentication tag included. */
  readonly datagramBytes: number
  /** Room that is left for an authentication tag; default 16. */
  readonly tagBytes?: number
  /** Answers in bytes per second, to all peers together; default 100 million. */
  readonly bytesPerSecond?: number
  /** Bytes that may go out at once after a rest; default room for ten full answers. */
  readonly burstBytes?: number
  /** Packets in answer to one request. */
  readonly burstPackets?: number
  /** The same request of the same peer is ignored for so long; default 2,000. */
  readonly suppressUs?: number
  readonly logger?: Logger
}

export interface RetransmitterOutput {
  /** Sends one downstream packet to whoever asked; the packet is handed over. */
  sendAnswer(packet: Uint8Array, peer: Peer): void
}

export const REQUEST_COUNTERS = [
  'requests',
  'answer-packets',
  'answer-events',
  'request-malformed',
  'request-foreign-session',
  'request-empty',
  'request-before-first',
  'request-past-end',
  'request-repeated',
  'request-rate-limited',
  'request-cut-short',
  'request-block-too-long',
  'request-read-failed',
] as const

const NOBODY: Peer = { address: '', port: 0 }
const REMEMBERED = 512
const RESTED_ANSWERS = 10
/** Runs read for one request, where runs are much smaller than a packet. */
const MAX_RUNS = 1_024

export class Retransmitter {
  readonly counters = createCounters(REQUEST_COUNTERS)
  readonly #source: RetransmissionSource
  readonly #output: RetransmitterOutput
  readonly #logger: Logger
  readonly #session: Uint8Array
  readonly #builder: PacketBuilder
  readonly #burstPackets: number
  readonly #recent: RecentRequests
  readonly #bytesPerUs: number
  readonly #burstBytes: number
  #tokens: number
  #filledAtUs = Number.NEGATIVE_INFINITY
  /** The request in hand. */
  #peer: Peer = NOBODY
  #next = 0
  #wanted = 0
  #packetsLeft = 0
  #failedAt = 0

  constructor(options: RetransmitterOptions, source: RetransmissionSource, output: RetransmitterOutput) {
    this.#source = source
    this.#output = output
    this.#logger = options.logger ?? silentLogger
    this.#session = sessionBytes(options.session)
    const packetBytes = options.datagramBytes - (options.tagBytes ?? AUTH_TAG_BYTES)
    this.#builder = new PacketBuilder(this.#session, packetBytes)
    this.#burstPackets = options.burstPackets ?? RETRANSMIT_BURST_PACKETS
    this.#recent = new RecentRequests(options.suppressUs ?? 2_000)
    this.#bytesPerUs = (options.bytesPerSecond ?? 100_000_000) / 1_000_000
    this.#burstBytes = options.burstBytes ?? RESTED_ANSWERS * this.#burstPackets * options.datagramBytes
    this.#tokens = this.#burstBytes
  }

  /** Answers a request, as far as the source holds what is asked for and the bounds allow. */
  onRequest(packet: Uint8Array, peer: Peer, nowUs: number): void {
    // There is one answer in hand: a second one would take its blocks.
    if (this.#peer !== NOBODY) throw new Error('a request was handed in while another one is answered')
    this.counters.requests++
    if (checkRequest(packet) !== undefined) {
      this.counters['request-malformed']++
    } else if (!bytesEqualAt(packet, 0, this.#session)) {
      this.counters['request-foreign-session']++
    } else {
      this.#answer(moldSequence(packet), moldCount(packet), peer, nowUs)
    }
  }

  #answer(from: number, count: number, peer: Peer, nowUs: number): void {
    const { counters } = this
    if (count === 0) counters['request-empty']++
    else if (from < this.#source.firstSequence) counters['request-before-first']++
    else if (from > this.#source.committedSequence) counters['request-past-end']++
    else if (this.#recent.isRepeat(peer, from, count, nowUs)) counters['request-repeated']++
    else {
      this.#refill(nowUs)
      this.#peer = peer
      this.#next = from
      this.#wanted = count
      this.#packetsLeft = this.#burstPackets
      this.#builder.discard()
      this.#read(from)
      if (this.#builder.count > 0) this.#send()
      if (this.#next > from) this.#recent.answered(peer, from, count, nowUs)
      this.#peer = NOBODY
    }
  }

  /** A damaged record costs its asker an answer, not everybody the server; what was read before it goes out. */
  #read(from: number): void {
    try {
      this.#source.read(from, MAX_RUNS, this.#visit)
    } catch (thrown) {
      this.counters['request-read-failed']++
      if (this.#failedAt !== from) this.#logger.error({ from }, messageOf(thrown))
      this.#failedAt = from
    }
  }

  readonly #visit: RunVisitor = (_sequence, _count, bytes, start, end) => {
    for (let at = start; at < end && this.#wanted > 0; ) {
      const lengthBytes = BLOCK_LENGTH_BYTES + readU16(bytes, at)
      if (!this.#builder.fits(lengthBytes) && !this.#makeRoom(lengthBytes)) return false
      this.#builder.append(bytes, at, at + lengthBytes, 1)
      this.#wanted--
      at += lengthBytes
    }
    return this.#wanted > 0
  }

  /** Sends the open packet; false where the answer ends before the block to come. */
  #makeRoom(lengthBytes: number): boolean {
    if (this.#builder.count > 0 && !this.#send()) return false
    if (this.#packetsLeft === 0) {
      this.counters['request-cut-short']++
      return false
    }
    if (this.#builder.fits(lengthBytes)) return true
    this.counters['request-block-too-long']++
    return false
  }

  /** Sends the open packet unless too much was sent lately. */
  #send(): boolean {
    const count = this.#builder.count
    if (this.#tokens < MOLD_HEADER_BYTES) return this.#limit()
    const packet = this.#builder.take(this.#next)
    // Tokens may go below zero by one packet: a packet larger than what is left is paid for later.
    this.#tokens -= packet.length
    this.#next += count
    this.#packetsLeft--
    this.counters['answer-packets']++
    this.counters['answer-events'] += count
    this.#output.sendAnswer(packet, this.#peer)
    return true
  }

  #limit(): false {
    this.counters['request-rate-limited']++
    this.#builder.discard()
    return false
  }

  #refill(nowUs: number): void {
    if (nowUs <= this.#filledAtUs) return
    const earned = (nowUs - this.#filledAtUs) * this.#bytesPerUs
    this.#tokens = Math.min(this.#burstBytes, this.#tokens + earned)
    this.#filledAtUs = nowUs
  }
}

/** A small table of what was answered to whom, newest per slot. A collision only means that a repeat is answered. */
class RecentRequests {
  readonly #suppressUs: number
  readonly #peers: Peer[] = new Array<Peer>(REMEMBERED).fill(NOBODY)
  readonly #from = new Float64Array(REMEMBERED)
  readonly #count = new Uint16Array(REMEMBERED)
  readonly #atUs = new Float64Array(REMEMBERED).fill(Number.NEGATIVE_INFINITY)

  constructor(suppressUs: number) {
    this.#suppressUs = suppressUs
  }

  isRepeat(peer: Peer, from: number, count: number, nowUs: number): boolean {
    const slot = slotOf(peer, from)
    const earlier = this.#peers[slot]!
    if (earlier.port !== peer.port || earlier.address !== peer.address || this.#from[slot] !== from) return false
    return count <= this.#count[slot]! && nowUs - this.#atUs[slot]! < this.#suppressUs
  }

  answered(peer: Peer, from: number, count: number, nowUs: number): void {
    const slot = slotOf(peer, from)
    this.#peers[slot] = peer
    this.#from[slot] = from
    this.#count[slot] = count
    this.#atUs[slot] = nowUs
  }
}

function slotOf(peer: Peer, from: number): number {
  return (peer.port * 31 + from) % REMEMBERED
}
