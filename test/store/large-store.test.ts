/** The files behind large maps: rows and checkpoint go on together, or not at all, and damage is found. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import { LargeStore, largePath } from '../../src/store/large-store.js'
import { checkpointAt, MAP, NUMBERS, numberKey, rowsAt } from './large-rows.js'
import { scratchDirectory } from './recordings.js'

const OWNER = { session: 'S1', component: 'archive', instance: 'a/b' }
const CHILD = fileURLToPath(new URL('large-writer.js', import.meta.url))

/** The number that all rows and the checkpoint must have. */
function stateOf(store: LargeStore): { sequence: number; rows: Set<number>; count: number } {
  const keys = [...store.keys(MAP, undefined, undefined)]
  const rows = new Set(keys.map((key) => Number(Buffer.from(store.get(MAP, key) ?? []).toString())))
  return { sequence: store.header?.sequence ?? 0, rows, count: keys.length }
}

test('rows and checkpoint', async (t) => {
  const scratch = scratchDirectory()
  t.teardown(() => scratch.remove())
  let store = await LargeStore.open(scratch.path, OWNER, silentLogger)
  t.equal(store.header, undefined)
  t.throws(() => store.read(), { code: 'E_CHECKPOINT' })
  store.commit(rowsAt(7), checkpointAt(7))
  t.strictSame(stateOf(store), { sequence: 7, rows: new Set([7]), count: NUMBERS })
  await store.close()
  store = await LargeStore.open(scratch.path, OWNER, silentLogger)
  t.strictSame(store.read(), checkpointAt(7))
  store.commit([{ map: MAP, key: numberKey(3), row: undefined }], checkpointAt(8))
  t.equal(store.get(MAP, numberKey(3)), undefined)
  t.equal(store.get('another', numberKey(4)), undefined)
  t.strictSame([...store.keys(MAP, numberKey(2), numberKey(5))], [numberKey(2), numberKey(4)])
  t.throws(() =>
    store.commit(
      (function* () {
        yield* rowsAt(9)
        throw new Error('in the middle')
      })(),
      checkpointAt(9),
    ),
  )
  t.strictSame(stateOf(store), { sequence: 8, rows: new Set([7]), count: NUMBERS - 1 }, 'nothing of it')
  store.reset()
  t.strictSame(stateOf(store), { sequence: 0, rows: new Set(), count: 0 })
  await store.close()
})

test('a process that is killed while it writes leaves one or the other', async (t) => {
  const scratch = scratchDirectory()
  t.teardown(() => scratch.remove())
  let last = 0
  for (let kill = 0; kill < 6; kill++) {
    const { NODE_OPTIONS: _, ...env } = process.env
    const child = spawn(process.execPath, [CHILD, scratch.path], { stdio: ['ignore', 'pipe', 'inherit'], env })
    await once(child.stdout, 'data')
    await new Promise((resolve) => setTimeout(resolve, 5 + kill * 17))
    child.kill('SIGKILL')
    await once(child, 'exit')
    const store = await LargeStore.open(scratch.path, { ...OWNER, instance: 'killed' }, silentLogger)
    const { sequence, rows, count } = stateOf(store)
    t.strictSame([...rows], [sequence], `after kill ${kill}: all rows are of event ${sequence}`)
    t.equal(count, NUMBERS)
    t.ok(sequence > last)
    t.strictSame(store.read(), checkpointAt(sequence))
    last = sequence
    await store.close()
  }
})

test('damage', async (t) => {
  const scratch = scratchDirectory()
  t.teardown(() => scratch.remove())
  const path = join(largePath(scratch.path, OWNER), 'data.mdb')
  /** The files are made anew, and it is said. */
  const isDropped = async (): Promise<void> => {
    const said: string[] = []
    const store = await LargeStore.open(scratch.path, OWNER, { ...silentLogger, warn: (_, text) => said.push(text) })
    t.match(said, ['large maps: the files can’t be read and are dropped'])
    t.equal(store.header, undefined)
    store.commit(rowsAt(6), checkpointAt(6))
    await store.close()
  }
  const write = (at: number, bytes: Uint8Array): void => {
    const handle = openSync(path, 'r+')
    writeSync(handle, bytes, 0, bytes.length, at)
    closeSync(handle)
  }
  let store = await LargeStore.open(scratch.path, OWNER, silentLogger)
  store.commit([{ map: MAP, key: numberKey(1), row: Buffer.from('a row that is easily found') }], checkpointAt(5))
  await store.close()
  const file = readFileSync(path)
  write(file.lastIndexOf('easily found'), Buffer.from('hardly'))
  store = await LargeStore.open(scratch.path, OWNER, silentLogger)
  t.throws(() => store.get(MAP, numberKey(1)), { code: 'E_STORE_CORRUPT' })
  await store.close()
  write(file.lastIndexOf('the body at 5'), Buffer.from('another'))
  store = await LargeStore.open(scratch.path, OWNER, silentLogger)
  t.throws(() => store.read(), { code: 'E_CHECKPOINT' })
  await store.close()
  truncateSync(path, 20_000)
  await isDropped()
  write(0, Buffer.alloc(16_384, 0x5a))
  await isDropped()
  write(4_096, Buffer.alloc(4_096, 0x5a))
  await isDropped()
})
