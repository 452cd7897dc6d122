/** Directories, locks, identity, catalogue. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'tap'
import { Catalogue } from '../../src/store/catalogue.js'
import { claimIdentity, readIdentity } from '../../src/store/identity.js'
import { LmdbEventLog } from '../../src/store/lmdb-event-log.js'
import { directoryNameOf, sessionOfDirectory, sessionPath } from '../../src/store/session-directory.js'
import { acquireLock, holderPid } from '../../src/store/session-lock.js'
import { SESSION_ENDED } from '../../src/wire/runtime-events.js'
import { appendMessages, durable, eventBytes, numberedEvents, scratchDirectory } from './recordings.js'

const scratch = scratchDirectory()
process.on('exit', () => scratch.remove())

test('every id has a safe directory name, and back', (t) => {
  t.equal(directoryNameOf('20261120A'), '20261120A')
  t.equal(directoryNameOf('A/../B c'), 'A%2f%2e%2e%2fB%20c')
  t.equal(directoryNameOf('          '), '%')
  t.equal(sessionOfDirectory('lock.1'), undefined)
  const printable = fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((c) => String.fromCharCode(c)),
    maxLength: 10,
  })
  fc.assert(
    fc.property(printable, (id) => {
      const name = directoryNameOf(id)
      return /^[A-Za-z0-9%]+$/.test(name) && sessionOfDirectory(name) === id.trim()
    }),
  )
  t.end()
})

test('a lock is exclusive, tells how it was left, and is taken over from the dead', (t) => {
  const path = join(scratch.path, 'locks')
  mkdirSync(path)
  const first = acquireLock(path)
  t.equal(first.lastHolder, 'none')
  t.equal(holderPid(path), process.pid)
  t.throws(() => acquireLock(path), { code: 'E_STORE_HELD', fields: { pid: process.pid } })
  first.release(true)
  t.equal(holderPid(path), undefined)
  const second = acquireLock(path)
  t.equal(second.lastHolder, 'clean')
  second.release(false)
  t.equal(acquireLock(path).lastHolder, 'unclean')
  // The same process id with another start time is another process.
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  const reused = { pid: process.pid, startTime: '1', boot, state: 'held' }
  writeFileSync(join(path, 'lock.9'), JSON.stringify(reused))
  t.equal(acquireLock(path).lastHolder, 'killed')
  writeFileSync(join(path, 'lock.20'), 'torn by a power fail')
  const last = acquireLock(path)
  t.equal(last.lastHolder, 'killed')
  t.equal(holderPid(path), process.pid)
  t.end()
})

test('a directory that belongs to another session is refused', async (t) => {
  const log = await LmdbEventLog.open({ directory: scratch.path, session: 'MINE' })
  await log.close()
  renameSync(sessionPath(scratch.path, 'MINE'), sessionPath(scratch.path, 'YOURS'))
  const opened = LmdbEventLog.open({ directory: scratch.path, session: 'YOURS' })
  await t.rejects(opened, { code: 'E_SESSION_FOREIGN', message: /belongs to session 'MINE'/ })
  const inside = LmdbEventLog.open({ directory: sessionPath(scratch.path, 'YOURS'), session: 'NEW' })
  await t.rejects(inside, { code: 'E_SESSION_FOREIGN', message: /is the recording of session 'MINE'/ })
  await t.rejects(LmdbEventLog.openReader(scratch.path, 'NOBODY'), { code: 'E_SESSION_UNKNOWN' })
})

test('a directory that can not be made is an error of the store', async (t) => {
  const file = join(scratch.path, 'file')
  writeFileSync(file, '')
  await t.rejects(LmdbEventLog.open({ directory: file, session: 'S' }), {
    code: 'E_STORE_IO',
    message: /can't be opened/,
  })
})

test('a store directory has one identity', (t) => {
  const directory = join(scratch.path, 'identity')
  t.equal(readIdentity(directory), undefined)
  claimIdentity(directory, { name: 'alpha', voter: 'a' })
  t.strictSame(claimIdentity(directory, { name: 'alpha', voter: 'a' }), { name: 'alpha', voter: 'a' })
  t.throws(() => claimIdentity(directory, { name: 'alpha', voter: '' }), { code: 'E_CONFIG' })
  writeFileSync(join(directory, 'store.json'), '{"name":')
  t.throws(() => readIdentity(directory), { code: 'E_STORE_CORRUPT' })
  t.end()
})

test('a store directory that can’t be made or written', (t) => {
  const file = join(scratch.path, 'no-directory')
  writeFileSync(file, '')
  for (const directory of [file, join(file, 'below'), '/proc/nobody/writes/here'])
    t.throws(() => claimIdentity(directory, { name: 'alpha', voter: 'a' }), {
      code: 'E_STORE_IO',
      message: `the store's directory ${directory} can't be used`,
      hint: /check that the directory is one/,
    })
  t.end()
})

test('reopening goes on where the log ended', async (t) => {
  for (let round = 0; round < 3; round++) {
    const log = await LmdbEventLog.open({ directory: scratch.path, session: 'AGAIN', firstSequence: 5 })
    t.equal(log.firstSequence, 5)
    t.equal(log.nextSequence, 5 + round * 3)
    t.equal(log.durableSequence, 4 + round * 3)
    t.equal(log.lastHolder, round === 0 ? 'none' : 'clean')
    appendMessages(log, numberedEvents(1, 3))
    await log.close()
  }
})

test('a reader in the process that records sees it grow, and its closing disturbs nobody', async (t) => {
  const log = await LmdbEventLog.open({ directory: scratch.path, session: 'BOTH' })
  appendMessages(log, numberedEvents(1, 3))
  await durable(log)
  const reader = await LmdbEventLog.openReader(scratch.path, 'BOTH')
  t.equal(reader.committedSequence, 3)
  appendMessages(log, numberedEvents(4, 2))
  await durable(log)
  t.equal(reader.refresh(), 5)
  await reader.close()
  appendMessages(log, numberedEvents(6, 1))
  await durable(log)
  t.equal(
    log.read(1, 100, () => true),
    7,
  )
  await Promise.all([log.close(), log.close()])
})

test('the catalogue lists sessions, ours and foreign ones', async (t) => {
  const directory = join(scratch.path, 'catalogue')
  const ours = await LmdbEventLog.open({ directory, session: 'OURS' })
  appendMessages(ours, [eventBytes({ timeUs: 5_000_000, sourceSequence: 1 })])
  appendMessages(ours, [
    eventBytes({ timeUs: 6_000_000, sourceSequence: 2 }),
    eventBytes({ timeUs: 7_000_001, type: SESSION_ENDED, source: 0 }),
  ])
  await ours.close()
  const foreign = await LmdbEventLog.open({ directory, session: '  F 1', firstSequence: 900, kind: 'opaque' })
  appendMessages(foreign, [Uint8Array.of(1), new Uint8Array(0)], 1_000_000)
  foreign.markEnded()
  await foreign.close()
  const live = await LmdbEventLog.open({ directory, session: 'LIVE' })
  mkdirSync(join(directory, 'BROKEN'))
  writeFileSync(join(directory, 'BROKEN', 'session.json'), '{}')

  const { sessions, unreadable } = await new Catalogue(directory).list()
  await live.close()
  const facts = sessions.map(({ bytes, ...rest }) => ({ ...rest, someBytes: bytes > 0 }))
  const alone = { predecessor: '', predecessorSequence: 0, successor: '' }
  t.strictSame(facts, [
    {
      session: 'LIVE',
      kind: 'events',
      firstSequence: 1,
      lastSequence: 0,
      events: 0,
      packets: 0,
      firstTimeUs: 0,
      lastTimeUs: 0,
      ended: false,
      ...alone,
      endSequence: 0,
      heldByPid: process.pid,
      someBytes: false,
    },
    {
      session: 'F 1',
      kind: 'opaque',
      firstSequence: 900,
      lastSequence: 901,
      events: 2,
      packets: 1,
      firstTimeUs: 1_000_000,
      lastTimeUs: 1_000_000,
      ended: true,
      ...alone,
      endSequence: 901,
      heldByPid: undefined,
      someBytes: true,
    },
    {
      session: 'OURS',
      kind: 'events',
      firstSequence: 1,
      lastSequence: 3,
      events: 3,
      packets: 2,
      firstTimeUs: 5_000_000,
      lastTimeUs: 7_000_001,
      ended: true,
      ...alone,
      endSequence: 3,
      heldByPid: undefined,
      someBytes: true,
    },
  ])
  t.match(unreadable, [{ session: 'BROKEN', problem: /does not describe a session/ }])
  await t.rejects(new Catalogue(join(directory, 'nowhere')).list(), { code: 'E_FILE' })
})
