/** The messages of the workload, in fixed layouts, so that its model can read them by offsets and by nothing else. */
import { defineSchema, type Schema } from '../component/schema.js'

export interface WorkloadMessages {
  /** From the outside world, numbered by it from 1. */
  Request: { key: number; amount: number }
  /** The engine's answer: the sum and the number of all requests so far. */
  Reply: { key: number; total: number; count: number; lot: number }
  /** With every sixteenth answer: long enough to travel in fragments. */
  Note: { key: number; text: Uint8Array }
  /** Some stream time after the request. */
  Expired: { key: number; open: number }
  /** With every fourth reply. */
  Tally: { key: number; replies: number }
  /** From a source that is no component. */
  Fed: { life: number; key: number }
  /** With what each component begins the next session. */
  GatewayCarried: { lastKey: number; answered: number; sum: number }
  EngineCarried: { count: number; total: number }
  TallyCarried: { replies: number; lots: number }
  /** Of the engine, for each request that has not expired: when it will. */
  OpenCarried: { key: number; amount: number; leftUs: number }
}

export const NOTE_BYTES = 1_700
export const NOTE_EVERY = 16
export const TALLY_EVERY = 4
export const EXPIRY_MS = 40

export const REQUEST = 256
export const REPLY = 257
export const NOTE = 258
export const EXPIRED = 259
export const FED = 260
export const TALLY = 261
export const GATEWAY_CARRIED = 262
export const ENGINE_CARRIED = 263
export const TALLY_CARRIED = 264
export const OPEN_CARRIED = 265

const uint32 = (id: number) => ({ id, type: 'uint32' })

export const workloadSchema: Schema<WorkloadMessages> = defineSchema<WorkloadMessages>({
  package: 'sim',
  enums: {},
  messages: {
    Request: { type: REQUEST, fixed: true, fields: { key: uint32(1), amount: uint32(2) } },
    Reply: { type: REPLY, fixed: true, fields: { key: uint32(1), total: uint32(2), count: uint32(3), lot: uint32(4) } },
    Note: {
      type: NOTE,
      fixed: true,
      fields: { key: uint32(1), text: { id: 2, type: 'bytes', lengthBytes: NOTE_BYTES } },
    },
    Expired: { type: EXPIRED, fixed: true, fields: { key: uint32(1), open: uint32(2) } },
    Tally: { type: TALLY, fixed: true, fields: { key: uint32(1), replies: uint32(2) } },
    Fed: { type: FED, fixed: true, fields: { life: uint32(1), key: uint32(2) } },
    GatewayCarried: {
      type: GATEWAY_CARRIED,
      fixed: true,
      fields: { lastKey: uint32(1), answered: uint32(2), sum: uint32(3) },
    },
    EngineCarried: { type: ENGINE_CARRIED, fixed: true, fields: { count: uint32(1), total: uint32(2) } },
    TallyCarried: { type: TALLY_CARRIED, fixed: true, fields: { replies: uint32(1), lots: uint32(2) } },
    OpenCarried: {
      type: OPEN_CARRIED,
      fixed: true,
      fields: { key: uint32(1), amount: uint32(2), leftUs: uint32(3) },
    },
  },
})

/** The gateway's sum of the answers: another one for each order of them. */
export function sumOf(sum: number, total: number): number {
  return (Math.imul(sum, 31) + total) >>> 0
}

/** What the outside world asks for under a key. */
export function amountOf(key: number): number {
  return (Math.imul(key, 0x9e37_79b1) >>> 8) % 1_000
}

/** The text of a note: its bytes tell the key, and where a fragment is missing. */
export function noteOf(key: number): Uint8Array {
  return Uint8Array.from({ length: NOTE_BYTES }, (_, at) => (key + at) & 0xff)
}
