/**
 * The codecs alone: payloads of 20 bytes, encoded from an object, and decoded to one whose every field is read. The floor is
 * the same four numbers read with a DataView from the same bytes.
 */
import {
  CODECS,
  type Codec,
  FILL_BYTES,
  FIXED_FILL_TYPE,
  fillOf,
  fillSchema,
  PROTOBUF_FILL_TYPE,
} from '../src/cli/bench/messages.js'
import { median } from './support/latency.js'
import { assertNativeFree } from './support/native-free.js'
import { readOptions } from './support/options.js'

/** Different payloads, one after the other, so that nothing can be computed once for all. */
const PAYLOADS = 1_024

const options = readOptions({ rounds: 9, messages: 2_000_000 })
const fills = Array.from({ length: PAYLOADS }, (_, i) => fillOf(i))
/** What is read ends here, so that no reading is left out. */
let sum = 0

for (const codec of CODECS) {
  const name = codec === 'fixed' ? 'FixedFill' : 'ProtobufFill'
  const bytes = new Uint8Array(PAYLOADS * FILL_BYTES)
  fills.forEach((fill, i) => void bytes.set(fillSchema.encode(name, fill), i * FILL_BYTES))
  const measured: Record<'floor' | 'decode' | 'encode', number[]> = { floor: [], decode: [], encode: [] }
  for (let round = 0; round <= options.rounds; round++) {
    const rates = {
      floor: rate(() => readFloor(bytes)),
      decode: rate(() => decodeAll(codec, bytes)),
      encode: rate(() => encodeAll(name)),
    }
    if (round === 0) continue
    for (const what of ['floor', 'decode', 'encode'] as const) measured[what].push(rates[what])
  }
  assertNativeFree()
  report(codec, {
    decodedPerSecond: Math.round(median(measured.decode)),
    encodedPerSecond: Math.round(median(measured.encode)),
    floorPerSecond: Math.round(median(measured.floor)),
  })
}
if (sum === 0) throw new Error('nothing was read')

function rate(pass: () => void): number {
  const passes = Math.max(1, Math.round(options.messages / PAYLOADS))
  const startMs = performance.now()
  for (let i = 0; i < passes; i++) pass()
  return (passes * PAYLOADS * 1_000) / (performance.now() - startMs)
}

function decodeAll(codec: Codec, bytes: Uint8Array): void {
  const type = codec === 'fixed' ? FIXED_FILL_TYPE : PROTOBUF_FILL_TYPE
  for (let at = 0; at < bytes.length; at += FILL_BYTES) {
    const fill = fillSchema.decode(type, bytes, at, at + FILL_BYTES)
    sum += fill.orderId + fill.price + fill.shares + fill.account
  }
}

function encodeAll(name: 'FixedFill' | 'ProtobufFill'): void {
  for (let i = 0; i < PAYLOADS; i++) sum += fillSchema.encode(name, fills[i]!)[7]!
}

function readFloor(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer)
  for (let at = 0; at < bytes.length; at += FILL_BYTES) {
    const orderId = view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4)
    sum += orderId + view.getUint32(at + 8) + view.getUint32(at + 12) + view.getUint32(at + 16)
  }
}

function report(
  codec: Codec,
  rates: { decodedPerSecond: number; encodedPerSecond: number; floorPerSecond: number },
): void {
  if (options.json) {
    const { idle, rounds } = options
    console.log(JSON.stringify({ bench: 'codec', codec, idle, bytes: FILL_BYTES, rounds, ...rates, lost: 0 }))
    return
  }
  const text = (value: number): string => value.toLocaleString('en-US').padStart(12)
  const { decodedPerSecond, encodedPerSecond, floorPerSecond } = rates
  console.log(
    `${codec.padEnd(8)} decoded ${text(decodedPerSecond)} encoded ${text(encodedPerSecond)} floor ${text(floorPerSecond)} a second`,
  )
}
