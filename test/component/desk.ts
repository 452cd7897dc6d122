/** A small component with something of everything, and ways to break it. */
import { type ComponentDefinition, defineComponent } from '../../src/component/definition.js'
import type { SchemaDescriptor } from '../../src/component/descriptor.js'
import { defineSchema } from '../../src/component/schema.js'

export interface DeskMessages {
  Order: { id: number; shares: number }
  Accepted: { id: number; draw: number }
  Expired: { id: number }
  Blob: { data: Uint8Array }
  Foreign: { id: number }
}

const uint32 = 'uint32'

export const deskDescriptor: SchemaDescriptor = {
  package: 'desk',
  messages: {
    Order: { type: 256, fields: { id: { id: 1, type: uint32 }, shares: { id: 2, type: uint32 } } },
    Accepted: { type: 257, fields: { id: { id: 1, type: uint32 }, draw: { id: 2, type: 'double' } } },
    Expired: { type: 258, fields: { id: { id: 1, type: uint32 } } },
    Blob: { type: 259, fields: { data: { id: 1, type: 'bytes' } } },
    Foreign: { type: 260, fields: { id: { id: 1, type: uint32 } } },
  },
  enums: {},
}

export const deskSchema = defineSchema<DeskMessages>(deskDescriptor)

export interface DeskState {
  /** Shares by order id, in the order of arrival. */
  open: Map<number, number>
  accepted: number[]
  expired: number[]
  blobs: number[]
  /** The last key that came in from outside. */
  lastKey: number
}

export const newDeskState = (): DeskState => ({ open: new Map(), accepted: [], expired: [], blobs: [], lastKey: 0 })

export type DeskDefinition = ComponentDefinition<DeskState, DeskMessages, 'expire'>

export const EXPIRE_MS = 1_000

/** Accepts each order once, expires it after a second, and hashes blobs by length and sum. */
export function deskDefinition(change: Partial<DeskDefinition> = {}): DeskDefinition {
  return {
    name: 'desk',
    schema: deskSchema,
    state: newDeskState,
    on: {
      Order(state, { payload: { id, shares } }, ctx) {
        state.lastKey = Math.max(state.lastKey, id)
        if (state.open.has(id)) return
        state.open.set(id, shares)
        ctx.send('Accepted', { id, draw: ctx.random() })
        ctx.startTimer('expire', String(id), EXPIRE_MS)
      },
      Accepted(state, { payload }) {
        state.accepted.push(payload.id)
      },
      Expired(state, { payload }) {
        state.expired.push(payload.id)
      },
      Blob(state, { payload: { data } }) {
        state.blobs.push(data.length * 1_000 + data.reduce((sum, byte) => (sum + byte) % 1_000, 0))
      },
    },
    timers: {
      expire(state, key, ctx) {
        if (state.open.delete(Number(key))) ctx.send('Expired', { id: Number(key) })
      },
    },
    ...change,
  }
}

export const desk = defineComponent(deskDefinition())
