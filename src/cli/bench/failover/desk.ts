/**
 * The component of the failover bench: it answers every order of the client with a reply, so that a component's outbox is at
 * stake, too, and sums up what it saw so that the order matters: its digest tells whether a replica got everything.
 */
import { type Component, defineComponent } from '../../../component/definition.js'
import { defineSchema } from '../../../component/schema.js'
import { writeU32 } from '../../../wire/bytes.js'

interface DeskMessages {
  Order: { key: number; data: Uint8Array }
  Reply: { key: number }
}
interface DeskState {
  orders: number
  replies: number
  checksum: number
}

export const DESK = 'bench-desk'
export const ORDER_TYPE = 256
export const REPLY_TYPE = 257
export const KEY_BYTES = 4

const PRIME = 1_000_000_007

/** @param orderBytes the payload of an order, its key included */
export function deskComponent(orderBytes: number): Component {
  const key = { id: 1, type: 'uint32' }
  const data = { id: 2, type: 'bytes', lengthBytes: orderBytes - KEY_BYTES }
  const schema = defineSchema<DeskMessages>({
    package: 'seqcast.bench',
    messages: {
      Order: { type: ORDER_TYPE, fixed: true, fields: { key, data } },
      Reply: { type: REPLY_TYPE, fixed: true, fields: { key } },
    },
    enums: {},
  })
  return defineComponent<DeskState, DeskMessages>({
    name: DESK,
    schema,
    state: () => ({ orders: 0, replies: 0, checksum: 0 }),
    on: {
      Order(state, { payload }, ctx) {
        state.orders += 1
        state.checksum = (state.checksum * 31 + payload.key) % PRIME
        ctx.send('Reply', { key: payload.key })
      },
      Reply(state, { payload }) {
        state.replies += 1
        state.checksum = (state.checksum * 37 + payload.key) % PRIME
      },
    },
  })
}

/** The payload of an order; the same array each time, with another key. */
export function orderWriter(orderBytes: number): (key: number) => Uint8Array {
  const payload = new Uint8Array(orderBytes)
  return (key) => {
    writeU32(payload, 0, key)
    return payload
  }
}

export function configure(options: Readonly<Record<string, string>>): Component {
  return deskComponent(Number(options.bytes))
}
