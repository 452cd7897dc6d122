/**
 * What the benches record and read: one message in either codec, 20 bytes of payload each, and a component whose handler
 * reads every field of it.
 */
import { type Component, defineComponent } from '../../component/definition.js'
import type { FieldDescriptor } from '../../component/descriptor.js'
import { defineSchema } from '../../component/schema.js'
import { AUTH_TAG_BYTES } from '../../core/limits.js'
import { writeU16, writeU32 } from '../../wire/bytes.js'
import { EVENT_HEADER_BYTES, setTimestamp, stampEvent, WHOLE_MESSAGE, writeCommandHeader } from '../../wire/event.js'
import { BLOCK_LENGTH_BYTES, MOLD_HEADER_BYTES } from '../../wire/moldudp64.js'

export const CODECS = ['fixed', 'protobuf'] as const
export type Codec = (typeof CODECS)[number]

export interface Fill {
  orderId: number
  price: number
  shares: number
  account: number
}
export interface BenchMessages {
  FixedFill: Fill
  ProtobufFill: Fill
}
interface Totals {
  fills: number
  shares: number
  /** Of the other fields; a safe integer for a billion events. */
  sum: number
}

export const FIXED_FILL_TYPE = 256
export const PROTOBUF_FILL_TYPE = 257
const SOURCE = 1

const fillFields = (orderIdType: string): Readonly<Record<string, FieldDescriptor>> => ({
  orderId: { id: 1, type: orderIdType },
  price: { id: 2, type: 'uint32' },
  shares: { id: 3, type: 'uint32' },
  account: { id: 4, type: 'uint32' },
})

/** Both messages; the benches of codecs alone use it without a host. */
export const fillSchema = defineSchema<BenchMessages>({
  package: 'seqcast.bench',
  messages: {
    FixedFill: { type: FIXED_FILL_TYPE, fixed: true, fields: fillFields('uint64') },
    ProtobufFill: { type: PROTOBUF_FILL_TYPE, fields: fillFields('fixed64') },
  },
  enums: {},
})

/** A component that counts what it is given: deterministic, and about as little as a handler can do with all fields. */
export function fillCounter(): Component<Totals, BenchMessages> {
  return defineComponent<Totals, BenchMessages>({
    name: 'fill-counter',
    schema: fillSchema,
    state: () => ({ fills: 0, shares: 0, sum: 0 }),
    on: {
      FixedFill: (state, { payload }) => addFill(state, payload),
      ProtobufFill: (state, { payload }) => addFill(state, payload),
    },
  })
}

function addFill(state: Totals, fill: Fill): void {
  state.fills += 1
  state.shares += fill.shares
  state.sum += fill.orderId + fill.price + fill.account
}

/** The fill that event `sequence` carries. Its protobuf payload has 20 bytes, as its fixed layout has. */
export function fillOf(sequence: number): Fill {
  return {
    orderId: 1_000_000 + sequence,
    price: 100_000 + (sequence % 10_000),
    shares: 200 + (sequence % 800),
    account: 40_000 + (sequence % 1_000),
  }
}

/** Events of `payloadBytes` that one datagram takes. */
export function eventsPerDatagram(datagramBytes: number, payloadBytes: number): number {
  const room = datagramBytes - MOLD_HEADER_BYTES - AUTH_TAG_BYTES
  return Math.max(1, Math.floor(room / (BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES + payloadBytes)))
}

export const FILL_BYTES = 20

/** The blocks of `count` fills, as a sequencer would have stamped them. */
export function fillBlocks(codec: Codec, first: number, count: number): Uint8Array {
  const [name, type] =
    codec === 'fixed' ? (['FixedFill', FIXED_FILL_TYPE] as const) : (['ProtobufFill', PROTOBUF_FILL_TYPE] as const)
  return eventBlocks(type, first, count, (sequence) => fillSchema.encode(name, fillOf(sequence)))
}

/** The blocks of `count` events of so many bytes each, for what does not look into them. */
export function opaqueBlocks(payloadBytes: number, first: number, count: number): Uint8Array {
  const payload = new Uint8Array(payloadBytes)
  return eventBlocks(FIXED_FILL_TYPE, first, count, (sequence) => {
    if (payloadBytes >= 4) writeU32(payload, 0, sequence)
    return payload
  })
}

function eventBlocks(
  type: number,
  first: number,
  count: number,
  payloadOf: (sequence: number) => Uint8Array,
): Uint8Array {
  // A packet is what one turn of the sequencer has stamped.
  const timestamp = { high: 0, low: 0 }
  setTimestamp(timestamp, 1_700_000_000_000_000 + first)
  const blocks: Uint8Array[] = []
  for (let sequence = first; sequence < first + count; sequence++) {
    const payload = payloadOf(sequence)
    const block = new Uint8Array(BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES + payload.length)
    writeU16(block, 0, EVENT_HEADER_BYTES + payload.length)
    writeCommandHeader(block, BLOCK_LENGTH_BYTES, type, SOURCE, sequence, WHOLE_MESSAGE)
    stampEvent(block, BLOCK_LENGTH_BYTES, timestamp, 1)
    block.set(payload, BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES)
    blocks.push(block)
  }
  return new Uint8Array(Buffer.concat(blocks))
}
