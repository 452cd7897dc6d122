/** What every database must do for a projection, on each of them. */
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import type { UntypedRow } from '../../src/projection/columns.js'
import type { Table } from '../../src/projection/definition.js'
import {
  openBeside,
  openReader,
  openTarget,
  parseTarget,
  type TargetAddress,
} from '../../src/projection/open-target.js'
import { beginningOf, type Position } from '../../src/projection/position.js'
import type { Target } from '../../src/projection/target.js'
import { Postgres, withoutPostgres } from '../fixtures/postgres.js'
import { KINDS, ROWS } from './kinds.js'
import { scratch } from './tables.js'

const [ALL, KEYS_ONLY] = KINDS.tables as readonly [Table, Table]
const at = (sequence: number): Position => ({ ...beginningOf('S1'), sequence, mark: '1.2.1', resumeFrom: sequence + 1 })

async function allRows(target: Target, table: Table): Promise<UntypedRow[]> {
  const rows: UntypedRow[] = []
  for await (const row of target.rows(table)) rows.push(row)
  return rows
}

function contract(name: string, skip: string | false, place: (t: Test) => Promise<TargetAddress>): void {
  test(name, { skip }, async (t) => {
    const address = await place(t)
    const open = (): Target => openTarget(KINDS, address, silentLogger)
    await t.test('a reader of what is not there says so', async (t) => {
      const reader = openReader(KINDS, address, silentLogger)
      await t.rejects(reader.open(), { code: 'E_PROJECTION', message: /there is no projection kinds/ })
      await reader.close()
    })

    const target = open()
    await t.test('rows of all types come back as they were, one by one and in the order of their keys', async (t) => {
      t.equal(await target.open(), undefined)
      const shuffled = ROWS.map((_, i) => ROWS[(i * 7) % ROWS.length] ?? {})
      t.equal(await target.commit([{ table: ALL, puts: shuffled, deletes: [] }], at(1)), true)
      for (const row of ROWS) t.strictSame(await target.read(ALL, row), row)
      t.strictSame(await allRows(target, ALL), ROWS)
    })

    await t.test('rows are replaced and deleted; keys that are not there are no failure', async (t) => {
      const puts = ROWS.slice(0, 5).map((row) => ({ ...row, note: 'changed' }))
      const gone = [...ROWS.slice(5, 8), { ...ROWS[0], name: 'never' }]
      t.equal(await target.commit([{ table: ALL, puts, deletes: gone }], at(2)), true)
      t.strictSame(await allRows(target, ALL), [...puts, ...ROWS.slice(8)])
      t.equal(await target.read(ALL, ROWS[6] ?? {}), undefined)
      const words = [{ select: 'b' }, { select: 'a' }, { select: '' }]
      await target.commit([{ table: KEYS_ONLY, puts: words, deletes: [] }], at(3))
      await target.commit([{ table: KEYS_ONLY, puts: [], deletes: [{ select: 'a' }] }], at(4))
      t.strictSame(await allRows(target, KEYS_ONLY), [{ select: '' }, { select: 'b' }])
    })

    await t.test('the position comes back, and nobody else may write meanwhile', async (t) => {
      t.strictSame(await target.open(), at(4))
      await target.close()
      t.strictSame(await target.open(), at(4))
    })

    await t.test(
      'what is built beside is not seen before it is swapped, and an interrupted building is gone on with',
      async (t) => {
        const beside = openBeside(KINDS, address, silentLogger, 'all')
        t.equal(await beside.open(), undefined)
        await beside.commit([{ table: ALL, puts: ROWS.slice(3), deletes: [] }], at(10))
        await beside.close()
        t.strictSame(await target.open(), at(4), 'the old rows are those of readers')
        t.strictSame(await beside.open(), at(10))
        await beside.close()
        const part = openBeside(KINDS, address, silentLogger, 'a part')
        t.equal(await part.open(), undefined, 'what was built of other events is not gone on with')
        await part.close()
        t.equal(await beside.open(), undefined)
        await beside.commit([{ table: ALL, puts: ROWS.slice(3), deletes: [] }], at(10))
        t.equal(await target.commit([{ table: KEYS_ONLY, puts: [{ select: 'z' }], deletes: [] }], at(5)), true)
        await beside.swap()
        await beside.close()
        t.equal(await target.commit([], at(6)), false, 'whoever wrote the old rows is told')
        t.strictSame(await target.open(), at(10))
        t.strictSame(await allRows(target, ALL), ROWS.slice(3))
        t.strictSame(await allRows(target, KEYS_ONLY), [])
        t.equal(await target.commit([{ table: ALL, puts: ROWS.slice(0, 3), deletes: [] }], at(11)), true)
        t.strictSame(await allRows(target, ALL), ROWS)
        await target.close()
      },
    )

    await t.test('another definition is refused, and built beside', async (t) => {
      const [all] = KINDS.tables
      const other = { ...KINDS, hash: 'another', tables: [{ ...ALL, columns: ALL.columns.slice(0, 7) }] }
      t.ok(all)
      const refused = openTarget(other, address, silentLogger)
      await t.rejects(refused.open(), { code: 'E_PROJECTION', message: /another definition/, hint: /--reset/ })
      await refused.close()
      const beside = openBeside(other, address, silentLogger, 'all')
      await beside.open()
      await beside.commit([{ table: other.tables[0] ?? ALL, puts: ROWS, deletes: [] }], at(20))
      await beside.swap()
      await beside.close()
      const reader = openReader(other, address, silentLogger)
      t.strictSame(await reader.open(), at(20))
      t.equal((await allRows(reader, other.tables[0] ?? ALL)).length, ROWS.length)
      await reader.close()
    })
  })
}

contract('LMDB', false, async (t) => parseTarget(`lmdb:${join(scratch(t), 'tables')}`))
contract('PostgreSQL', withoutPostgres(), async (t) => parseTarget((await Postgres.open(t)).url))
