/** The one checkpoint of a component with large maps: when its files are used, and when they are not. */
import { test } from 'tap'
import { digestHex, digestOf } from '../../src/component/digest.js'
import { largeMap } from '../../src/component/large/large-map.js'
import { decodeState } from '../../src/component/state-decoding.js'
import { encodeState } from '../../src/component/state-encoding.js'
import { silentLogger } from '../../src/core/log.js'
import { LargeCheckpoints } from '../../src/runtime/large-checkpoints.js'
import { checkpointAt } from '../store/large-rows.js'
import { scratchDirectory } from '../store/recordings.js'

const OWNER = { session: 'S1', component: 'archive', instance: 'a' }
const newState = () => ({ orders: largeMap<number, string>('orders') })
const digest = (state: unknown): string => digestHex(digestOf(state))

test('files are used with their checkpoint only', async (t) => {
  const scratch = scratchDirectory()
  t.teardown(() => scratch.remove())
  const open = (): Promise<LargeCheckpoints> => LargeCheckpoints.open(scratch.path, OWNER, silentLogger)
  let keeper = await open()
  t.strictSame(keeper.list(), [])
  keeper.begin(undefined)
  const state = newState()
  keeper.tables.attach(state)
  for (let key = 0; key < 100; key++) state.orders.set(key, `order ${key}`)
  const kept = encodeState(state)
  keeper.tables.seal()
  state.orders.set(0, 'later')
  await keeper.write(checkpointAt(5))
  t.equal(state.orders.get(0), 'later')
  t.equal(keeper.tables.changes, 1)
  await keeper.close()

  keeper = await open()
  t.strictSame(
    keeper.list().map(({ sequence }) => sequence),
    [5],
  )
  t.throws(() => keeper.begin(4), { code: 'E_CHECKPOINT' })
  keeper.begin(5)
  const restored = decodeState(kept) as typeof state
  keeper.tables.attach(restored)
  t.equal(restored.orders.get(0), 'order 0')
  t.equal(restored.orders.size, 100)
  t.equal(await keeper.dropFrom('archive', 6), 0)
  t.equal(keeper.list().length, 1)

  keeper.begin(undefined) // The checkpoint was refused: of other code, perhaps.
  const anew = newState()
  keeper.tables.attach(anew)
  t.equal(anew.orders.get(7), undefined, 'nothing of it shows')
  t.strictSame([...anew.orders], [])
  t.equal(digest(anew), digest(newState()))
  t.strictSame(keeper.list(), [])
  await keeper.close()
})

test('what can not be written stays in memory', async (t) => {
  const scratch = scratchDirectory()
  t.teardown(() => scratch.remove())
  const keeper = await LargeCheckpoints.open(scratch.path, OWNER, silentLogger)
  const state = newState()
  keeper.tables.attach(state)
  state.orders.set(1, 'one')
  keeper.tables.seal()
  state.orders.set(2, 'two')
  const before = digest(state)
  Object.defineProperty(keeper.tables, 'sealed', {
    *value() {
      yield { map: 'orders', key: new Uint8Array(3_000), row: new Uint8Array(1) } // A key that lmdb refuses.
    },
  })
  await t.rejects(keeper.write(checkpointAt(5)), { code: 'E_STORE_IO' })
  t.strictSame(keeper.list(), [])
  t.strictSame(
    [...state.orders],
    [
      [1, 'one'],
      [2, 'two'],
    ],
  )
  t.equal(digest(state), before)
  await keeper.close()
})
