/** What outbox tests share: an outbox whose packets are kept, and the part of a sequencer that concerns one source. */
import { Outbox } from '../../src/protocol/outbox.js'
import type { OutboxOptions, OutboxVerdict } from '../../src/protocol/outbox-types.js'
import { readU16 } from '../../src/wire/bytes.js'
import {
  COMMAND_HEADER_BYTES,
  checkCommandPacket,
  commandCount,
  commandEpoch,
  commandFirst,
} from '../../src/wire/command.js'
import { stampEvent } from '../../src/wire/event.js'

export const DATAGRAM_BYTES = 300
export const FRAGMENT_BYTES = 40

export interface Sent {
  readonly outbox: Outbox
  /** Copies of the packets sent, oldest first; a test may take them away. */
  readonly packets: Uint8Array[]
  readonly latencies: [sourceSequence: number, latencyUs: number][]
}

export function createOutbox(options: Partial<OutboxOptions> = {}): Sent {
  const packets: Uint8Array[] = []
  const latencies: [number, number][] = []
  const outbox = new Outbox(
    {
      session: 'TEST',
      source: 7,
      firstSourceSequence: 1,
      datagramBytes: DATAGRAM_BYTES,
      fragmentBytes: FRAGMENT_BYTES,
      ...options,
    },
    {
      sendCommands: (packet) => packets.push(packet.slice()),
      returned: (sourceSequence, latencyUs) => latencies.push([sourceSequence, latencyUs]),
    },
  )
  return { outbox, packets, latencies }
}

/** First source sequence and count of each packet. */
export function ranges(packets: readonly Uint8Array[]): [first: number, count: number][] {
  return packets.map((packet) => [commandFirst(packet), commandCount(packet)])
}

/** The blocks' bytes of a packet, in order, without their lengths. */
export function blocksOf(packet: Uint8Array): Uint8Array[] {
  const blocks: Uint8Array[] = []
  for (let at = COMMAND_HEADER_BYTES; at < packet.length; at += 2 + readU16(packet, at)) {
    blocks.push(packet.slice(at + 2, at + 2 + readU16(packet, at)))
  }
  return blocks
}

/** Sequences the commands of one source as the sequencer does: the next one only, repeats and later ones are dropped. */
export class SequencerStub {
  /** Events in order; `events[0]` has sequence 1. */
  readonly events: Uint8Array[] = []
  readonly refused: string[] = []
  epoch = 1
  #next: number
  #delivered = 0

  constructor(firstSourceSequence = 1) {
    this.#next = firstSourceSequence
  }

  onPacket(packet: Uint8Array): void {
    const reason = packet.length > DATAGRAM_BYTES - 16 ? 'too long' : checkCommandPacket(packet)
    if (reason !== undefined) this.refused.push(reason)
    const epoch = commandEpoch(packet)
    if (epoch !== 0 && epoch !== this.epoch) return
    let sourceSequence = commandFirst(packet)
    for (const block of blocksOf(packet)) {
      if (sourceSequence++ !== this.#next) continue
      this.#next++
      stampEvent(block, 0, { high: 1, low: this.events.length }, 1)
      this.events.push(block)
    }
  }

  /** A successor reigns, which has the events before `fromSequence` only. */
  revoke(fromSequence: number): void {
    this.epoch++
    this.#next -= this.events.splice(fromSequence - 1).length
    this.#delivered = Math.min(this.#delivered, fromSequence - 1)
  }

  /** Gives the outbox at most `count` events that it has not seen. @returns the verdicts */
  deliver(outbox: Outbox, count: number, nowUs: number): OutboxVerdict[] {
    const verdicts: OutboxVerdict[] = []
    for (let i = 0; i < count && this.#delivered < this.events.length; i++) {
      const event = this.events[this.#delivered++]!
      const padded = new Uint8Array(event.length + 5)
      padded.set(event, 5)
      verdicts.push(outbox.onEvent(this.#delivered, padded, 5, event.length, nowUs))
    }
    return verdicts
  }

  get delivered(): number {
    return this.#delivered
  }
}
