/** Files that are as they should be, and files that are not: each damage has its message, with index and offset. */
import { rmSync } from 'node:fs'
import fc from 'fast-check'
import { type Component, SeqcastError } from 'seqcast'
import tap, { test } from 'tap'
import { component as anyProxy, configure, createClientProxy } from '../../src/examples/oms/client-proxy.js'
import { ownOrderId, parseItch } from '../../src/examples/oms/itch.js'
import { readItchFile, scanItchFile } from '../../src/examples/oms/itch-file.js'
import { generateItchFile } from '../../src/examples/oms/itch-generator.js'
import { itchWriter } from '../../src/examples/oms/itch-writer.js'
import { dataFile, REAL, SIMULATED, temporaryFolder, writeInput } from './data.js'

const folder = temporaryFolder()

/** Three messages of 36, 19 and 12 bytes, at bytes 0, 38 and 59, and the end marker at 73. */
function small(): Buffer {
  const writer = itchWriter()
  writer.add(7, 1, { reference: 5_000_000_001, buy: false, shares: 300, symbol: 'ABC', price: 12_345 })
  writer.deleted(7, 2, 5_000_000_001)
  writer.system('M', 3)
  return Buffer.from(writer.end())
}

async function errorOf(bytes: Uint8Array): Promise<SeqcastError> {
  const path = writeInput(folder, 'bad.itch50', bytes)
  const thrown = await scanItchFile(path).catch((error: unknown) => error)
  if (thrown instanceof SeqcastError) return thrown
  throw new Error(`no SeqcastError: ${String(thrown)}`)
}

test('fields are where the specification has them', (t) => {
  const add = small().subarray(2, 38)
  t.equal(add.toString('hex'), '4100070000000000000001000000012a05f201530000012c414243202020202000003039')
  const order = { kind: 'add', reference: 5_000_000_001, symbol: 'ABC', buy: false, shares: 300, price: 12_345 }
  t.same(parseItch(add), order)
  t.same(parseItch(small().subarray(40, 59)), { kind: 'delete', reference: 5_000_000_001 })
  t.same(parseItch(small().subarray(61, 73)), { kind: 'other' })
  t.end()
})

test('a whole file is scanned: with its end marker or without it', async (t) => {
  const bytes = small()
  const scan = { messages: 3, symbols: ['ABC'], hasEndMarker: true }
  t.same(await scanItchFile(writeInput(folder, 'a.itch50', bytes)), scan)
  t.same(await scanItchFile(writeInput(folder, 'b.itch50', bytes.subarray(0, -2))), { ...scan, hasEndMarker: false })
  t.same(await scanItchFile(writeInput(folder, 'c.itch50', new Uint8Array(0))), {
    messages: 0,
    symbols: [],
    hasEndMarker: false,
  })
})

test('every way to damage a file has its own words, with index and offset', async (t) => {
  const patched = (at: number, ...values: number[]): Buffer => {
    const bytes = small()
    bytes.set(values, at)
    return bytes
  }
  const cases: [string, Uint8Array, number, number, RegExp][] = [
    ['unknown type', patched(40, 0x7a), 2, 38, /unknown message type 'z'/],
    ['unprintable type', patched(40, 0), 2, 38, /unknown message type 0x00/],
    ['length too long for its type', patched(38, 0, 20), 2, 38, /type 'D' has 19 bytes, and this one has 20/],
    ['length too short for its type', patched(38, 0, 18), 2, 38, /type 'D' has 19 bytes, and this one has 18/],
    ['overlong', patched(59, 0xff, 0xff), 3, 59, /no message is longer than 50 bytes/],
    ['bad side', patched(21, 0x58), 1, 0, /side of an order is 'B' or 'S', and this one is 'X'/],
    ['no stock', patched(26, 32, 32, 32, 32, 32, 32, 32, 32), 1, 0, /without a stock/],
    ['reference of 2^52', patched(13, 0, 0x10, 0, 0, 0, 0, 0, 0), 1, 0, /reference of 2\^52 or more/],
    ['ends in a message', small().subarray(0, 70), 3, 59, /ends in the middle of a message/],
    ['ends in a length', small().subarray(0, 60), 3, 59, /ends in the middle of a length/],
    ['bytes after the end', Buffer.concat([small(), Buffer.from([1])]), 4, 75, /more bytes follow the zero length/],
    ['a second end', Buffer.concat([small(), Buffer.from([0, 0])]), 4, 75, /more bytes follow the zero length/],
  ]
  for (const [name, bytes, index, offsetBytes, words] of cases) {
    const error = await errorOf(bytes)
    t.equal(error.code, 'E_FILE_FORMAT', name)
    t.match(error.message, words, name)
    t.match(error.message, `message ${index} at byte ${offsetBytes}`, name)
    t.match(error.fields, { index, offsetBytes }, name)
  }
})

test('damage behind the first piece of a large file is found at its place', async (t) => {
  const bytes = Buffer.from(generateItchFile({ orders: 3_000, seed: 1 }))
  const lengthAt: number[] = []
  for (let at = 0; bytes.readUInt16BE(at) !== 0; at += 2 + bytes.readUInt16BE(at)) lengthAt.push(at)
  const index = 2_900
  const at = lengthAt[index - 1] ?? 0
  t.ok(at > 64 * 1024)
  bytes.writeUInt8(0x21, at + 2)
  t.match(await errorOf(bytes), { code: 'E_FILE_FORMAT', fields: { index, offsetBytes: at } })
})

test('what can not be read is an error of the file', async (t) => {
  await t.rejects(scanItchFile(`${folder}/absent`), { code: 'E_FILE', message: /cannot read the input file .*ENOENT/ })
  await t.rejects(scanItchFile(folder), { code: 'E_FILE', message: /EISDIR/ })
})

test('one changed byte gives another file or an error with a code, never anything else', async (t) => {
  const seen = { fine: 0, error: 0 }
  await fc.assert(
    fc.asyncProperty(fc.nat(74), fc.integer({ min: 0, max: 255 }), async (at, value) => {
      const bytes = small()
      bytes[at] = value
      const path = writeInput(folder, 'changed.itch50', bytes)
      const result = await scanItchFile(path).catch((error: unknown) => error)
      if (!(result instanceof Error)) seen.fine += 1
      else if (result instanceof SeqcastError && result.code === 'E_FILE_FORMAT') seen.error += 1
      else throw result
    }),
    { numRuns: 400 },
  )
  t.ok(seen.fine > 20 && seen.error > 20, JSON.stringify(seen))
})

test('nothing is sent of a file that is damaged at its end', async (t) => {
  const input = writeInput(folder, 'late.itch50', small().subarray(0, 70))
  const sent: string[] = []
  await t.rejects(inputOf(createClientProxy({ input }), sent), { code: 'E_FILE_FORMAT' })
  t.same(sent, [])
})

test('options of the proxy', async (t) => {
  t.equal(configure({ input: 'a', rate: '1000' }).name, 'client-proxy')
  t.throws(() => configure({ rate: '0' }), { code: 'E_USAGE' })
  t.throws(() => configure({ file: 'a' }), { code: 'E_USAGE', message: /no option 'file'/ })
  await t.rejects(inputOf(anyProxy, []), { code: 'E_INPUT' })
})

test('a rate is kept', async (t) => {
  const writer = itchWriter()
  for (let i = 0; i < 60; i++) writer.add(1, 1, { reference: i, buy: true, shares: 1, symbol: 'A', price: 1 })
  const sent: string[] = []
  const startMs = performance.now()
  await inputOf(configure({ input: writeInput(folder, 'rate.itch50', writer.end()), rate: '300' }), sent)
  const tookMs = performance.now() - startMs
  t.equal(sent.length, 62)
  t.ok(tookMs > 180, `60 messages at 300 a second took ${tookMs} ms`)
})

function inputOf(component: Component, sent: string[]): Promise<void> {
  const port = { send: (name: string) => sent.push(name), ready: async () => {}, signal: new AbortController().signal }
  return component.input?.(port, component.state()) ?? Promise.resolve()
}

test('the generator: equal seeds give equal files, and exactly as many orders as asked for', async (t) => {
  const options = { orders: 500, seed: 42, symbols: 30 }
  const bytes = generateItchFile(options)
  t.equal(Buffer.compare(generateItchFile(options), bytes), 0)
  t.not(Buffer.compare(generateItchFile({ ...options, seed: 43 }), bytes), 0)
  for (const orders of [0, 1, 500]) {
    const path = writeInput(folder, 'count.itch50', generateItchFile({ ...options, orders }))
    t.equal((await scanItchFile(path)).symbols.length, 30)
    t.equal((await kindsOf(path)).orders, orders)
  }
  t.throws(() => generateItchFile({ orders: -1, seed: 1 }), { code: 'E_USAGE' })
  t.throws(() => generateItchFile({ orders: 1, seed: 0.5 }), { code: 'E_USAGE' })
  t.throws(() => generateItchFile({ orders: 1, seed: 1, symbols: 677 }), { code: 'E_USAGE' })
})

/** Orders added and executions of what was added. */
async function kindsOf(path: string): Promise<{ orders: number }> {
  const added = new Set<number>()
  let orders = 0
  for await (const batch of readItchFile(path)) {
    for (const { message } of batch) {
      if (message.kind === 'add') added.add(message.reference)
      if (message.kind === 'replace' && added.has(message.reference)) added.add(message.newReference)
      if (message.kind === 'add' || (message.kind === 'execute' && added.has(message.reference))) orders += 1
    }
  }
  return { orders }
}

for (const [name, messages, symbols] of [
  [REAL, 1_000, 185],
  [SIMULATED, 12_012, 3],
] as const) {
  const path = dataFile(name)
  test(`${name} is sound`, { skip: path === undefined ? `../shared/data/${name} is not there` : false }, async (t) => {
    const scan = await scanItchFile(path ?? '')
    t.equal(scan.messages, messages)
    t.equal(scan.symbols.length, symbols)
    t.equal(scan.hasEndMarker, false)
  })
}

test('ids of our own are safe integers that no reference has', (t) => {
  t.ok(Number.isSafeInteger(ownOrderId(2 ** 40)))
  t.equal(ownOrderId(1), 2 ** 52 + 1)
  t.end()
})
tap.teardown(() => rmSync(folder, { recursive: true }))
