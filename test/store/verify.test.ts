/** verify finds each planted fault, and nothing in what is whole. */

import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { test } from 'tap'
import { CheckpointStore } from '../../src/store/checkpoint-store.js'
import { openEnvironment } from '../../src/store/lmdb-environment.js'
import { LmdbEventLog } from '../../src/store/lmdb-event-log.js'
import { writeRecord } from '../../src/store/record-format.js'
import { sessionPath } from '../../src/store/session-directory.js'
import type { BlockKind } from '../../src/store/time-index.js'
import { verifySession } from '../../src/store/verify.js'
import { writeU32 } from '../../src/wire/bytes.js'
import { appendMessages, blocks, type EventSketch, eventBytes, scratchDirectory } from './recordings.js'

const scratch = scratchDirectory()
process.on('exit', () => scratch.remove())
let made = 0

interface Found {
  readonly sequence: number
  readonly reason: string
}

async function record(
  packets: readonly Uint8Array[][],
  kind: BlockKind = 'events',
  firstSequence = 1,
): Promise<string> {
  const session = `V${made++}`
  const log = await LmdbEventLog.open({ directory: scratch.path, session, kind, firstSequence })
  for (const packet of packets) appendMessages(log, packet, 1_000_000)
  await log.close()
  return session
}

async function verified(session: string): Promise<Found[]> {
  const { problems } = await verifySession(scratch.path, session)
  return problems.map(({ sequence, reason }) => ({ sequence, reason }))
}

/** Ten packets of three events each, from two sources, with `change` at one event (0 to 29). */
function tenPackets(change?: { readonly at: number; readonly sketch: EventSketch }): Uint8Array[][] {
  return Array.from({ length: 10 }, (_, packet) =>
    Array.from({ length: 3 }, (_, i) => {
      const n = packet * 3 + i
      const sketch: EventSketch = { source: 1 + (n % 2), sourceSequence: 1 + (n >> 1), timeUs: 1_000_000 + n * 50_000 }
      return eventBytes(change?.at === n ? { ...sketch, ...change.sketch } : sketch)
    }),
  )
}

/** Puts a record where none belongs, or another in its place. */
async function plant(session: string, key: number, edit: (record: Uint8Array) => Uint8Array): Promise<void> {
  const env = await openEnvironment(sessionPath(scratch.path, session), 'write')
  const record = edit(Uint8Array.from(env.packets.get(key) ?? []))
  await env.commit({ keys: [key], records: [record], buckets: [] })
  await env.close()
}

test('a whole session has no problem, and progress reaches its end', async (t) => {
  const session = await record(tenPackets())
  let last = 0
  const result = await verifySession(scratch.path, session, { onProgress: ({ sequence }) => (last = sequence) })
  t.match(result, { session, kind: 'events', firstSequence: 1, lastSequence: 30, packets: 10, events: 30, bytes: 660 })
  t.strictSame(result.problems, [])
  t.equal(last, 30)
  t.strictSame(await verified(await record(tenPackets(), 'events', 1000)), [], 'nor one that begins later')
  t.strictSame(await verified(await record([[new Uint8Array(0), Uint8Array.of(1)]], 'opaque')), [], 'nor a foreign one')
  t.strictSame(await verified(await record([])), [], 'nor an empty one')
})

const FAULTS: readonly { readonly sketch: EventSketch; readonly found: readonly Found[] }[] = [
  { sketch: { timeUs: 100 }, found: [{ sequence: 14, reason: 'time-decreases' }] },
  { sketch: { epoch: 0 }, found: [{ sequence: 14, reason: 'epoch-zero' }] },
  {
    sketch: { epoch: 2 },
    found: Array.from({ length: 16 }, (_, i) => ({ sequence: 15 + i, reason: 'epoch-decreases' })),
  },
  { sketch: { flags: 7 }, found: [{ sequence: 14, reason: 'unknown-flags' }] },
  {
    sketch: { flags: 0 },
    found: [
      { sequence: 14, reason: 'fragment-order' },
      { sequence: 16, reason: 'fragment-order' },
    ],
  },
  {
    sketch: { sourceSequence: 9 },
    found: [
      { sequence: 14, reason: 'source-sequence' },
      { sequence: 16, reason: 'source-sequence' },
    ],
  },
]

for (const { sketch, found } of FAULTS) {
  test(`an event with ${JSON.stringify(sketch)}`, async (t) => {
    t.strictSame(await verified(await record(tenPackets({ at: 13, sketch }))), found)
  })
}

test('an event that is too short', async (t) => {
  t.strictSame(await verified(await record([[eventBytes({})], [new Uint8Array(19)]])), [
    { sequence: 2, reason: 'event-too-short' },
  ])
})

test('each byte of a record that is flipped', async (t) => {
  const session = await record(tenPackets())
  const lengthBytes = 14 + 66
  for (let at = 0; at < lengthBytes; at++) {
    const flip = (bytes: Uint8Array): Uint8Array => {
      bytes[at]! ^= 0x10
      return bytes
    }
    await plant(session, 13, flip)
    const found = await verified(session)
    if (found.length !== 1 || found[0]?.sequence !== 13 || found[0].reason !== 'checksum') {
      t.fail(`byte ${at}: ${JSON.stringify(found)}`)
    }
    await plant(session, 13, flip)
  }
  t.strictSame(await verified(session), [])
})

test('damage at the very end can still be looked at', async (t) => {
  const session = await record(tenPackets())
  await plant(session, 28, (bytes) => bytes.subarray(0, 5))
  t.strictSame(await verified(session), [{ sequence: 28, reason: 'short-record' }])
  const opened = LmdbEventLog.open({ directory: scratch.path, session })
  await t.rejects(opened, { code: 'E_STORE_CORRUPT', fields: { session, sequence: 28 } })
})

test('a record with a right checksum and wrong blocks', async (t) => {
  const session = await record(tenPackets())
  await plant(session, 4, (bytes) => {
    bytes[14]! = 0xff
    writeU32(bytes, 0, crc32(bytes.subarray(4)))
    return bytes
  })
  t.strictSame(await verified(session), [{ sequence: 4, reason: 'blocks-do-not-fit' }])
})

test('a hole, and a record inside of another', async (t) => {
  const session = await record(tenPackets())
  const recordOf = (messages: Uint8Array[]): Uint8Array => {
    const run = blocks(messages)
    const bytes = new Uint8Array(14 + run.length)
    writeRecord(bytes, messages.length, run, 0, run.length, 0)
    return bytes
  }
  await plant(session, 35, () => recordOf([eventBytes({ timeUs: 9_000_000, source: 9, sourceSequence: 77 })]))
  t.strictSame(await verified(session), [
    { sequence: 31, reason: 'missing' },
    { sequence: 35, reason: 'time-index' },
  ])
  await plant(session, 2, () => recordOf([eventBytes({})]))
  t.match(await verified(session), [{ reason: 'missing' }, { reason: 'time-index' }, { reason: 'overlapping-records' }])
})

test('checkpoints: damaged ones, and those of another stream', async (t) => {
  const packets = tenPackets()
  const session = await record(packets)
  const hashOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest())
  const body = new Uint8Array(100).fill(7)
  const header = {
    ...{ session, component: 'desk', schemaHash: '', codeHash: '', epoch: 1, timeUs: 1 },
    ...{ digest: hashOf(body), hasVoters: false, bodyBytes: body.length, bodyHash: hashOf(body) },
    epochTable: [{ epoch: 1, sequence: 1 }],
  }
  const ours = hashOf(packets[1]?.[1] ?? new Uint8Array(0))
  const store = await CheckpointStore.open(scratch.path, session, 'write')
  await store.write({ header: { ...header, sequence: 5, eventHash: ours }, body })
  await store.write({ header: { ...header, sequence: 400, eventHash: ours }, body })
  t.strictSame(await verified(session), [], 'one that is ahead of the recording says nothing')
  await store.write({ header: { ...header, sequence: 6, eventHash: ours }, body })
  await store.write({ header: { ...header, sequence: 7, eventHash: ours, bodyHash: ours }, body })
  await store.close()
  const { problems } = await verifySession(scratch.path, session)
  t.match(problems, [
    { sequence: 7, reason: 'checkpoint', detail: /^of desk: / },
    { sequence: 6, reason: 'checkpoint', detail: 'of desk: its event is another one here' },
    { sequence: 7, reason: 'checkpoint', detail: 'of desk: its event is another one here' },
  ])
})
