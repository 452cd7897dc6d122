/**
 * A sequencer under a manual clock, and a small writer and reader of packets made from the specification alone: DataView and
 * BigInt, nothing of src/wire's codecs but the protobuf ones.
 */

import type { Peer } from '../../src/protocol/peer.js'
import { Sequencer } from '../../src/protocol/sequencer.js'
import type { SequencerOptions, SequencerState } from '../../src/protocol/sequencer-types.js'
import type { ControlBodies, ControlKind, StoreStatus } from '../../src/wire/control.js'
import { type RegisterSource, registerSourceCodec } from '../../src/wire/runtime-events.js'

export const SESSION = 'TEST01'
export const START_WALL_US = 1_790_000_000_000_000
const latin1 = new TextEncoder()

export interface Block {
  type: number
  source: number
  sourceSequence: number
  timestampNs: bigint
  epoch: number
  flags: number
  payload: Uint8Array
}

export interface Packet {
  session: string
  sequence: number
  count: number
  blocks: Block[]
}

export interface Command {
  type: number
  payload: Uint8Array
  flags?: number
}

/** One command packet, from the byte table in the design. */
export function commandPacket(
  source: number,
  first: number,
  commands: readonly Command[],
  session = SESSION,
): Uint8Array {
  const lengthBytes = commands.reduce((sum, { payload }) => sum + 22 + payload.length, 20)
  const bytes = new Uint8Array(lengthBytes)
  const view = new DataView(bytes.buffer)
  bytes.set(latin1.encode(session.padEnd(10)))
  view.setUint16(10, source)
  view.setUint32(14, first)
  view.setUint16(18, commands.length)
  let at = 20
  commands.forEach(({ type, payload, flags }, i) => {
    view.setUint16(at, 20 + payload.length)
    view.setUint16(at + 2, type)
    view.setUint16(at + 4, source)
    view.setUint32(at + 6, first + i)
    view.setUint16(at + 20, flags ?? 3)
    bytes.set(payload, at + 22)
    at += 22 + payload.length
  })
  return bytes
}

/** A registration as a source sends it. */
export function registration(request: Partial<RegisterSource> & { name: string; nonce: number }): Uint8Array {
  const whole = { exclusive: false, component: '', schemaHash: '', ...request }
  return commandPacket(0, 1, [{ type: 10, payload: registerSourceCodec.encode(whole) }])
}

export function requestPacket(from: number, count: number, session = SESSION): Uint8Array {
  const bytes = new Uint8Array(20)
  const view = new DataView(bytes.buffer)
  bytes.set(latin1.encode(session.padEnd(10)))
  view.setBigUint64(10, BigInt(from))
  view.setUint16(18, count)
  return bytes
}

/** Reads any downstream packet; throws where it is not one, because ours must be. */
export function parse(bytes: Uint8Array): Packet {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const session = String.fromCharCode(...bytes.subarray(0, 10))
  const sequence = Number(view.getBigUint64(10))
  const count = view.getUint16(18)
  const blocks: Block[] = []
  let at = 20
  for (let i = 0; i < (count === 0xffff ? 0 : count); i++) {
    const length = view.getUint16(at)
    blocks.push({
      type: view.getUint16(at + 2),
      source: view.getUint16(at + 4),
      sourceSequence: view.getUint32(at + 6),
      timestampNs: view.getBigUint64(at + 10),
      epoch: view.getUint16(at + 18),
      flags: view.getUint16(at + 20),
      payload: bytes.slice(at + 22, at + 2 + length),
    })
    at += 2 + length
  }
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes after the last block`)
  return { session, sequence, count, blocks }
}

export interface Sent {
  /** As it was sent: the very object, and a copy of its bytes at that moment. */
  packet: Uint8Array
  bytes: Uint8Array
}

type Control = { [K in ControlKind]: { kind: K; body: ControlBodies[K] } }[ControlKind]

/** A sequencer, its outputs recorded, and its clock. */
export class Bench {
  readonly sequencer: Sequencer
  readonly sent: Sent[] = []
  readonly answers: { bytes: Uint8Array; peer: Peer }[] = []
  readonly control: Control[] = []
  readonly states: [SequencerState, string][] = []
  nowUs = 1_000
  wallUs = START_WALL_US

  constructor(options: Partial<SequencerOptions> = {}) {
    const defaults = {
      session: SESSION,
      datagramBytes: 1_400,
      voters: [],
      incarnation: 7,
      requestPort: 7712,
      tickUs: 0,
    }
    this.sequencer = new Sequencer(
      { ...defaults, ...options },
      {
        sendEvents: (packet) => this.sent.push({ packet, bytes: packet.slice() }),
        sendAnswer: (packet, peer) => this.answers.push({ bytes: packet.slice(), peer }),
        sendControl: (kind, body) => this.control.push({ kind, body } as Control),
        stateChanged: (state, reason) => this.states.push([state, reason]),
      },
    )
  }

  open(epoch?: number, reason?: string): this {
    this.sequencer.open(this.nowUs, this.wallUs, epoch, reason)
    return this
  }

  advance(us: number): this {
    this.nowUs += us
    this.wallUs += us
    return this
  }

  command(packet: Uint8Array): void {
    this.sequencer.onCommandPacket(packet, this.nowUs, this.wallUs)
  }

  flush(): void {
    this.sequencer.flush(this.nowUs, this.wallUs)
  }

  tick(): number {
    return this.sequencer.tick(this.nowUs, this.wallUs)
  }

  /** Registers a source and gives its number. */
  register(name: string, nonce: number, more: Partial<RegisterSource> = {}): number {
    this.command(registration({ name, nonce, ...more }))
    this.flush()
    return this.events().filter(({ type }) => type === 2).length
  }

  request(from: number, count: number, port = 9_000): void {
    this.sequencer.onRequest(requestPacket(from, count), { address: '127.0.0.1', port }, this.nowUs)
  }

  acknowledge(voter: string, durableSequence: number, epoch = 1, more: Partial<StoreStatus> = {}): void {
    const body = {
      name: voter,
      voter,
      epoch,
      durableSequence,
      committedSequence: durableSequence,
      requestPort: 1,
      rewindPort: 2,
      state: 'live',
      counters: {},
      promised: 0,
      lastEpoch: epoch,
      ...more,
    }
    this.sequencer.onControl({ session: SESSION, sender: 99, kind: 'store', body }, this.nowUs, this.wallUs)
  }

  /** Event packets (no heartbeats, no end of session). */
  packets(): Packet[] {
    return this.sent.map(({ bytes }) => parse(bytes)).filter(({ count }) => count > 0 && count < 0xffff)
  }

  events(): Block[] {
    return this.packets().flatMap(({ blocks }) => blocks)
  }

  /** Hands all event packets that another one sent to `rebuild`. */
  rebuildFrom(other: Bench): this {
    for (const { bytes } of other.sent) {
      const { sequence, count } = parse(bytes)
      if (count > 0 && count < 0xffff) this.sequencer.rebuild(sequence, count, bytes, 20, bytes.length)
    }
    return this
  }
}

export const bytes = (length: number, value = 0x61): Uint8Array => new Uint8Array(length).fill(value)
