import { spawn } from 'node:child_process'
import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { openEnvironment } from '../../src/store/lmdb-environment.js'
import { LastTransaction } from '../../src/store/lmdb-last-transaction.js'
import { openTables } from '../../src/store/lmdb-tables.js'

const one = (key: number) => ({ keys: [key], records: [new Uint8Array([key & 255])], buckets: [] })

/** What an opening elsewhere does in a bad moment. */
function setBack(path: string, last: LastTransaction, by: number): void {
  const lock = openSync(join(path, 'lock.mdb'), 'r+')
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(last.shared() - by))
  writeSync(lock, bytes, 0, 8, 8)
}

test('the files are laid out as this takes them to be: both numbers grow with each transaction', async (t) => {
  const path = t.testdir({})
  const environment = await openEnvironment(path, 'write')
  const last = new LastTransaction(path)
  for (let key = 1; key <= 5; key++) {
    const before = last.committed()
    await environment.commit(one(key))
    t.equal(last.committed(), before + 1)
    t.equal(last.shared(), before + 1)
  }
  last.close()
  await environment.close()
})

test('a number that is set back loses nothing', async (t) => {
  const path = t.testdir({})
  const environment = await openEnvironment(path, 'write')
  const last = new LastTransaction(path)
  for (let key = 1; key <= 30; key++) {
    if (key > 3) setBack(path, last, 1 + (key % 3))
    await environment.commit(one(key))
  }
  environment.refresh()
  for (let key = 1; key <= 30; key++) t.strictSame(environment.packets.get(key), new Uint8Array([key]), `key ${key}`)
  last.close()
  await environment.close()
})

test('tables of several writers: a transaction that would go on from an older one is begun again', async (t) => {
  const path = t.testdir({})
  const tables = await openTables(path, { mode: 'write', tables: ['a'] })
  const last = new LastTransaction(path)
  const table = tables.table('a')
  for (let key = 1; key <= 20; key++) {
    if (key > 3) setBack(path, last, 1 + (key % 3))
    if (key % 2 === 0) tables.transactionSync(() => table.put(new Uint8Array([key]), new Uint8Array([key])))
    else await tables.write(() => table.put(new Uint8Array([key]), new Uint8Array([key])))
  }
  t.equal(table.count(), 20)
  last.close()
  await tables.close()
})

test('readers in other processes open and close a recording while it is written: all that was acknowledged is there', async (t) => {
  const path = t.testdir({})
  const environment = await openEnvironment(path, 'write')
  await environment.commit(one(1))
  const script = `
    const { openEnvironment } = await import(${JSON.stringify(new URL('../../src/store/lmdb-environment.js', import.meta.url).href)})
    await openEnvironment(${JSON.stringify(path)}, 'read')
    process.exit(0)`
  let key = 1
  for (let readers = 0; readers < 6; readers++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, NODE_OPTIONS: '' },
    })
    let isOver = false
    child.once('exit', () => {
      isOver = true
    })
    while (!isOver) await environment.commit(one(++key))
  }
  environment.refresh()
  let missing = 0
  for (let k = 1; k <= key; k++) if (environment.packets.get(k) === undefined) missing++
  t.equal(missing, 0, `${key} commits`)
  await environment.close()
})
