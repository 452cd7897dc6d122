/** A projection with a column of each type, and rows at the edges of what they hold. */
import { defineSchema } from '../../src/component/schema.js'
import type { UntypedRow } from '../../src/projection/columns.js'
import { defineProjection } from '../../src/projection/definition.js'
import { innerProjection } from './tables.js'

export const schema = defineSchema<{ Noted: { text: string } }>({
  package: 'kinds',
  messages: { Noted: { type: 256, fields: { text: { id: 1, type: 'string' } } } },
  enums: {},
})

export const KINDS = innerProjection(
  defineProjection({
    name: 'kinds',
    schema,
    tables: {
      all: {
        key: ['name', 'number', 'isOdd', 'raw', 'at'],
        columns: {
          ...{ name: 'text', number: 'integer', isOdd: 'boolean', raw: 'bytes', at: 'time' },
          ...{ ratio: 'number', tree: 'json', note: 'text?', count: 'integer?', flag: 'boolean?' },
          ...{ blob: 'bytes?', when: 'time?', maybe: 'number?', more: 'json?' },
        },
      },
      keysOnly: { key: ['select'], columns: { select: 'text' } },
    },
    on: {
      Noted(event, rows) {
        rows.keysOnly.put({ select: event.payload.text })
      },
    },
  }),
)

const plain = { ratio: 0.1, tree: {} }
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

/** In the order of their keys. */
export const ROWS: readonly UntypedRow[] = [
  { name: '', number: Number.MIN_SAFE_INTEGER, isOdd: true, raw: bytes(), at: 0, ...plain },
  { name: '', number: -1, isOdd: true, raw: bytes(), at: 0, ...plain, ratio: Number.NaN },
  { name: '', number: 0, isOdd: false, raw: bytes(), at: -1, ...plain, ratio: Number.POSITIVE_INFINITY },
  { name: '', number: 0, isOdd: false, raw: bytes(), at: 0, ...plain, ratio: Number.NEGATIVE_INFINITY },
  { name: '', number: 0, isOdd: false, raw: bytes(0), at: 0, ...plain, ratio: 5e-324 },
  { name: '', number: 0, isOdd: false, raw: bytes(0, 0), at: 0, ...plain, ratio: 1.7976931348623157e308 },
  { name: '', number: 0, isOdd: false, raw: bytes(0, 1), at: 0, ...plain, maybe: 0 },
  { name: '', number: 0, isOdd: false, raw: bytes(0, 255), at: 0, ...plain, more: null },
  { name: '', number: 0, isOdd: false, raw: bytes(1), at: 0, ...plain, more: [null, 1, 'x', { a: [] }] },
  { name: '', number: 0, isOdd: true, raw: bytes(255), at: 0, ...plain, tree: 'text' },
  { name: '', number: Number.MAX_SAFE_INTEGER, isOdd: true, raw: bytes(), at: 0, ...plain, tree: null },
  { name: '\u0001', number: 1, isOdd: true, raw: bytes(), at: 1_795_248_662_311_453, ...plain, note: '' },
  { name: 'A', number: 1, isOdd: true, raw: bytes(), at: 1, ...plain, count: -5, flag: false, blob: bytes() },
  { name: 'a"\\\'b', number: 1, isOdd: true, raw: bytes(), at: 1, ...plain, when: 1_795_248_662_311_453 },
  { name: 'aa', number: 1, isOdd: true, raw: bytes(), at: 1, ...plain, note: 'new\nline\ttab $1 %s' },
  { name: 'a\u0301', number: 1, isOdd: true, raw: bytes(), at: 1, ...plain, blob: bytes(0, 128, 255), when: -1 },
  { name: 'ä', number: 1, isOdd: true, raw: bytes(), at: 1, ...plain, flag: true },
  { name: '\ud83d\ude00', number: 1, isOdd: true, raw: bytes(), at: 4_102_444_800_000_000, ...plain, note: '\ufffd' },
]
