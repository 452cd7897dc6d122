/** A voter's promise on disk: there when it is spoken, never taken back, and worth nothing without its log. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import type { StoredPromise } from '../../src/protocol/voter.js'
import { LmdbEventLog } from '../../src/store/lmdb-event-log.js'
import { PromiseFile } from '../../src/store/promise-file.js'
import { appendMessages, durable, numberedEvents, scratchDirectory } from './recordings.js'

const scratch = scratchDirectory()
process.on('exit', () => scratch.remove())

const promise = (epoch: number, candidate = 7): StoredPromise => ({ epoch, candidate, life: 3, lives: { a: 3, b: 9 } })
const at = (session: string, voter = 'a') => ({ directory: scratch.path, session, voter })

test('a promise is on disk when its callback is called, and found again', async (t) => {
  const file = PromiseFile.open(at('P1'))
  t.equal(file.stored, undefined)
  const path = join(scratch.path, 'P1', 'promise.json')
  const order: number[] = []
  for (const epoch of [1, 4, 4, 5]) {
    file.write(promise(epoch), (error) => {
      t.equal(error, undefined)
      t.ok(JSON.parse(readFileSync(path, 'utf8')).epoch >= epoch)
      order.push(epoch)
    })
    t.strictSame(file.stored, promise(epoch))
  }
  t.strictSame(order, [], 'not from inside the call')
  await file.close()
  t.strictSame(order, [1, 4, 4, 5])
  t.strictSame(file.stored, promise(5))
  t.strictSame(PromiseFile.open(at('P1')).stored, promise(5))
})

test('a promise is never taken back, and what is none is not written', async (t) => {
  const file = PromiseFile.open(at('P2'))
  file.write(promise(3), () => {})
  t.throws(() => file.write(promise(2), () => {}), /epoch 2 after one of 3/)
  t.throws(() => file.write(promise(65_536), () => {}), RangeError)
  t.throws(() => file.write({ ...promise(4), life: Number.NaN }, () => {}), RangeError)
  await file.close()
  t.throws(() => PromiseFile.open(at('P2')).write(promise(1), () => {}), /after one of 3/)
})

test('a damaged promise, and that of another voter, are not guessed at', async (t) => {
  mkdirSync(join(scratch.path, 'P3'))
  const path = join(scratch.path, 'P3', 'promise.json')
  for (const text of ['', '{"epoch":3}', '[]', 'null', JSON.stringify({ format: 1, voter: 'a', ...promise(-1) })]) {
    writeFileSync(path, text)
    t.throws(() => PromiseFile.open(at('P3')), { code: 'E_STORE_CORRUPT' }, text)
  }
  const file = PromiseFile.open(at('P4'))
  file.write(promise(1), () => {})
  await file.close()
  t.throws(() => PromiseFile.open(at('P4', 'b')), { code: 'E_CONFIG' })
})

test('after a failed write no promise is kept any more', async (t) => {
  const file = PromiseFile.open(at('P5'))
  const directory = join(scratch.path, 'P5')
  rmSync(directory, { recursive: true })
  const codes: unknown[] = []
  file.write(promise(1), (error) => {
    codes.push(error?.code)
    mkdirSync(directory)
  })
  file.write(promise(2), (error) => codes.push(error?.code))
  await file.close()
  t.strictSame(codes, ['E_STORE_IO', 'E_STORE_IO'])
  t.equal(file.stored, undefined)
})

test('a log that is made anew forgets the promise of the lost one', async (t) => {
  const log = await LmdbEventLog.open({ directory: scratch.path, session: 'P6' })
  const file = PromiseFile.open(at('P6'))
  file.write(promise(1), () => {})
  await file.close()
  appendMessages(log, numberedEvents(1, 3))
  await durable(log)
  await log.close()
  const again = await LmdbEventLog.open({ directory: scratch.path, session: 'P6' })
  t.strictSame(PromiseFile.open(at('P6')).stored, promise(1))
  await again.close()
  for (const name of ['data.mdb', 'lock.mdb']) rmSync(join(scratch.path, 'P6', name))
  const anew = await LmdbEventLog.open({ directory: scratch.path, session: 'P6' })
  t.equal(PromiseFile.open(at('P6')).stored, undefined)
  await anew.close()
})
