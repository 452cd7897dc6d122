import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'tap'
import { CheckpointStore, checkpointPath } from '../../src/store/checkpoint-store.js'
import { openTables } from '../../src/store/lmdb-tables.js'
import { type Checkpoint, decodeCheckpointHeader, encodeCheckpointHeader } from '../../src/wire/checkpoint.js'

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest())

function checkpointOf(component: string, sequence: number, bodyBytes: number): Checkpoint {
  const body = Uint8Array.from({ length: bodyBytes }, (_, i) => (i * 7 + sequence) & 0xff)
  return {
    header: {
      ...{
        session: 'S',
        component,
        schemaHash: 'schema',
        codeHash: 'code',
        sequence,
        epoch: 2,
        timeUs: 1_700_000_000_000_000,
      },
      ...{ digest: sha256(new Uint8Array(1)), eventHash: sha256(new Uint8Array(2)), hasVoters: true },
      epochTable: [
        { epoch: 1, sequence: 1 },
        { epoch: 2, sequence: 5 },
      ],
      ...{ bodyBytes, bodyHash: sha256(body) },
    },
    body,
  }
}

const sequencesIn = (store: CheckpointStore, component?: string): number[] =>
  store.list(component).map(({ sequence }) => sequence)

test('checkpoints are kept by component and sequence, and the newest of them stay', async (t) => {
  const directory = t.testdir()
  const none = await CheckpointStore.open(directory, 'S', 'read')
  t.strictSame([none.list(), none.problems(), none.usedBytes()], [[], [], 0])
  t.throws(() => none.read('desk', 1), { code: 'E_CHECKPOINT', message: /there is none/ })
  await none.close()
  const store = await CheckpointStore.open(directory, 'S', 'write')
  const large = checkpointOf('desk', 300, 1_000_000)
  for (const checkpoint of [large, checkpointOf('desk', 100, 10), checkpointOf('desk', 70_000, 0)])
    await store.write(checkpoint)
  await store.write(checkpointOf('desk-2', 5, 10))
  t.strictSame(sequencesIn(store, 'desk'), [100, 300, 70_000])
  t.strictSame(sequencesIn(store), [100, 300, 70_000, 5])
  t.strictSame(store.read('desk', 300), large)
  t.strictSame(store.read('desk', 70_000).body.length, 0)
  const other = await CheckpointStore.open(directory, 'S', 'read')
  t.strictSame(other.read('desk', 300), large, 'another process')
  await store.write(checkpointOf('desk', 300, 20))
  t.strictSame(store.read('desk', 300), checkpointOf('desk', 300, 20), 'replaced, and shorter')
  t.equal(await store.prune('desk', 2), 1)
  t.strictSame(sequencesIn(store), [300, 70_000, 5])
  t.equal(await store.dropFrom('desk', 301), 1)
  t.equal(await store.dropFrom('desk', 301), 0)
  t.strictSame(sequencesIn(store), [300, 5])
  t.strictSame(store.problems(), [])
  await other.close()
  await store.close()
  const after = await CheckpointStore.open(directory, 'S', 'read')
  t.strictSame(sequencesIn(after), [300, 5])
  await after.close()
})

test('damage is found, wherever it is, and what is sound stays', async (t) => {
  const directory = t.testdir()
  const store = await CheckpointStore.open(directory, 'S', 'write')
  for (const sequence of [1, 2, 3, 4, 5]) await store.write(checkpointOf('desk', sequence, 600_000))
  await store.close()
  const tables = await openTables(checkpointPath(directory, 'S'), { mode: 'write', tables: ['headers', 'bodies'] })
  const [headers, bodies] = [tables.table('headers'), tables.table('bodies')]
  const headerKeys = [...headers.keys()]
  const bodyKeys = [...bodies.keys()]
  tables.transactionSync(() => {
    const header = headers.get(headerKeys[0]!)!
    header[40]! ^= 1
    headers.put(headerKeys[0]!, header)
    const piece = bodies.get(bodyKeys[4]!)!
    piece[9]! ^= 1
    bodies.put(bodyKeys[4]!, piece)
    bodies.remove(bodyKeys[7]!)
    bodies.put(bodyKeys[10]!, new Uint8Array(600_000))
  })
  await tables.close()
  const damaged = await CheckpointStore.open(directory, 'S', 'read')
  t.strictSame(damaged.problems(), [
    { component: 'desk', sequence: 1, reason: 'its header is damaged' },
    { component: 'desk', sequence: 2, reason: 'its body is damaged' },
    { component: 'desk', sequence: 3, reason: 'it has 337856 of 600000 bytes' },
    { component: 'desk', sequence: 4, reason: 'it has more bytes than its header says' },
  ])
  for (const sequence of [1, 2, 3, 4, 6]) t.throws(() => damaged.read('desk', sequence), { code: 'E_CHECKPOINT' })
  t.strictSame(damaged.read('desk', 5), checkpointOf('desk', 5, 600_000))
  await damaged.close()
})

test('a header that is none', (t) => {
  const { header } = checkpointOf('desk', 9, 10)
  const bytes = encodeCheckpointHeader(header)
  t.strictSame(decodeCheckpointHeader(bytes), header)
  const refused = [
    { ...header, sequence: 0 },
    { ...header, digest: new Uint8Array(31) },
    { ...header, epochTable: [] },
    { ...header, epochTable: [{ epoch: 1, sequence: 2 }] },
  ]
  for (const wrong of refused) t.equal(decodeCheckpointHeader(encodeCheckpointHeader(wrong)), undefined)
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
      const damaged = bytes.slice()
      damaged[at] = value
      decodeCheckpointHeader(damaged)
      decodeCheckpointHeader(bytes.subarray(0, at))
    }),
  )
  t.end()
})
