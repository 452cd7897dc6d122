/** What a store must survive: kills, two processes, a full disk, damage. */
import { test } from 'tap'
import { SeqcastError } from '../../src/core/errors.js'
import { openEnvironment } from '../../src/store/lmdb-environment.js'
import { LmdbEventLog } from '../../src/store/lmdb-event-log.js'
import { sessionPath } from '../../src/store/session-directory.js'
import { lastNumber, startRecorder } from './children.js'
import { appendMessages, durable, numberedEvents, scratchDirectory, split } from './recordings.js'

const scratch = scratchDirectory()
process.on('exit', () => scratch.remove())

test('kill -9 at any moment loses nothing that was acknowledged', async (t) => {
  let acknowledged = 0
  for (let round = 0; round < 10; round++) {
    const child = startRecorder([scratch.path, 'KILLED'])
    await child.sees('open')
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 120))
    child.process.kill('SIGKILL')
    await child.over
    const [, lastHolder, next] = child.lines()[0]?.split(' ') ?? []
    t.equal(lastHolder, round === 0 ? 'none' : 'killed', 'the stale lock was taken over')
    t.ok(Number(next) > acknowledged, `round ${round}: ${next} is next, ${acknowledged} were acknowledged`)
    acknowledged = Math.max(acknowledged, lastNumber(child, 'durable'))
  }
  const log = await LmdbEventLog.open({ directory: scratch.path, session: 'KILLED' })
  t.ok(log.durableSequence >= acknowledged)
  t.ok(acknowledged > 0)
  let expected = 1
  log.read(1, Number.POSITIVE_INFINITY, (sequence, count, bytes, start, end) => {
    if (sequence !== expected) throw new Error(`a hole before ${sequence}`)
    const same = Buffer.compare(Buffer.concat(split(bytes, start, end)), Buffer.concat(numberedEvents(sequence, count)))
    if (same !== 0) throw new Error(`events from ${sequence} on are not what was written`)
    expected += count
    return true
  })
  t.equal(expected, log.nextSequence)
  await log.close()
  const again = await LmdbEventLog.open({ directory: scratch.path, session: 'KILLED' })
  t.equal(again.lastHolder, 'clean', 'after an orderly close there is nothing to repair')
  await again.close()
})

test('a session is held by one process, and read by others while it grows', async (t) => {
  const child = startRecorder([scratch.path, 'HELD'])
  try {
    await child.sees('durable')
    const held = await LmdbEventLog.open({ directory: scratch.path, session: 'HELD' }).then(
      () => undefined,
      (error: unknown) => error,
    )
    t.ok(held instanceof SeqcastError && held.code === 'E_STORE_HELD', String(held))
    t.match(held, { message: new RegExp(`process ${child.process.pid}`) })

    const reader = await LmdbEventLog.openReader(scratch.path, 'HELD')
    const before = reader.committedSequence
    t.ok(before >= 3)
    let seen = 0
    const count = (_: number, events: number): boolean => {
      seen += events
      return true
    }
    t.equal(reader.read(1, Number.POSITIVE_INFINITY, count), before + 1)
    for (let i = 0; i < 500 && reader.committedSequence === before; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      reader.refresh()
    }
    t.ok(reader.committedSequence > before, 'refresh sees what was committed since')
    t.ok(reader.committedSequence >= lastNumber(child, 'durable'), 'what is acknowledged can be read')
    t.equal(reader.read(before + 1, Number.POSITIVE_INFINITY, count), reader.committedSequence + 1)
    t.equal(seen, reader.committedSequence)
    await reader.close()
  } finally {
    child.process.kill('SIGKILL')
    await child.over
  }
})

test('a full disk is reported once, with session and sequence, and what was durable stays', async (t) => {
  const limited = startRecorder([scratch.path, 'FULL'], ['prlimit', '--fsize=400000'])
  await limited.over
  const failures = limited.lines().filter((line) => line.startsWith('failure'))
  t.equal(failures.length, 1)
  const failure: unknown = JSON.parse(failures[0]?.slice('failure '.length) ?? '{}')
  const acknowledged = lastNumber(limited, 'durable')
  t.match(failure, { code: 'E_STORE_FULL', session: 'FULL', sequence: acknowledged + 1 })
  t.equal(limited.process.exitCode, 0, 'the process goes on and closes in order')

  const log = await LmdbEventLog.open({ directory: scratch.path, session: 'FULL' })
  t.equal(log.lastHolder, 'unclean')
  t.equal(log.durableSequence, acknowledged)
  appendMessages(log, numberedEvents(log.nextSequence, 5))
  await durable(log)
  t.equal(log.durableSequence, acknowledged + 5, 'with room again, recording goes on where it stopped')
  await log.close()
})

test('too little free space stops recording before the disk is full', async (t) => {
  const made = await LmdbEventLog.open({ directory: scratch.path, session: 'NOROOM' })
  await made.close()
  const child = startRecorder([scratch.path, 'NOROOM', '0', String(2 ** 52)])
  await child.over
  t.match(child.lines()[1], /^failure \{"code":"E_STORE_FULL"/)
  t.equal(lastNumber(child, 'closed'), 0)
})

test('a flipped bit is reported with session and sequence', async (t) => {
  const log = await LmdbEventLog.open({ directory: scratch.path, session: 'DAMAGED' })
  for (let i = 0; i < 4; i++) appendMessages(log, numberedEvents(1 + i * 5, 5))
  await log.close()
  const env = await openEnvironment(sessionPath(scratch.path, 'DAMAGED'), 'write')
  const record = Uint8Array.from(env.packets.get(11) ?? [])
  record[40]! ^= 1
  await env.commit({ keys: [11], records: [record], buckets: [] })
  await env.close()

  const damaged = await LmdbEventLog.open({ directory: scratch.path, session: 'DAMAGED' })
  const visited: number[] = []
  const read = (): number =>
    damaged.read(1, 100, (sequence) => {
      visited.push(sequence)
      return true
    })
  t.throws(read, { code: 'E_STORE_CORRUPT', fields: { session: 'DAMAGED', sequence: 11 } })
  t.strictSame(visited, [1, 6], 'what is whole before the damage is delivered')
  await damaged.close()
})
