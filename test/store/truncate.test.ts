/** Taking a tail back: the same for the log on LMDB and the simulated one, also after they were opened again, and the one in memory. */
import fc from 'fast-check'
import { test } from 'tap'
import type { EventLog } from '../../src/protocol/event-log.js'
import { LmdbEventLog } from '../../src/store/lmdb-event-log.js'
import { LmdbLogReader } from '../../src/store/lmdb-log-reader.js'
import { MemoryEventLog } from '../../src/store/memory-event-log.js'
import { verifySession } from '../../src/store/verify.js'
import { StoreMachine } from '../sim/store-machine.js'
import { appendMessages, durable, eventBytes, scratchDirectory, split } from './recordings.js'

const scratch = scratchDirectory()
process.on('exit', () => scratch.remove())
let made = 0

interface Subject {
  log: EventLog
  reopen(): Promise<void>
  verify(): Promise<number>
}

async function lmdb(): Promise<Subject> {
  const at = { directory: scratch.path, session: `T${made++}` }
  const subject: Subject = {
    log: await LmdbEventLog.open(at),
    reopen: async () => {
      await subject.log.close()
      subject.log = await LmdbEventLog.open(at)
    },
    verify: async () => (await verifySession(at.directory, at.session)).problemCount,
  }
  return subject
}

async function simulated(): Promise<Subject> {
  const store = new StoreMachine(made++)
  const subject: Subject = {
    log: await store.openLive({ session: 'T' }),
    reopen: async () => {
      await subject.log.close()
      store.restart('exit')
      subject.log = await store.openLive({ session: 'T' })
    },
    verify: async () => 0,
  }
  return subject
}

const SUBJECTS: Record<string, () => Promise<Subject>> = {
  lmdb,
  simulated,
  memory: async () => ({
    log: new MemoryEventLog({ session: `T${made++}` }),
    reopen: async () => {},
    verify: async () => 0,
  }),
}

/** One event a tenth of a second, so that every one begins a bucket of the time index. */
function events(first: number, count: number, epoch: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) =>
    eventBytes({
      epoch,
      sourceSequence: first + i,
      timeUs: (first + i) * 100_000,
      payload: Uint8Array.of(epoch, first + i),
    }),
  )
}

function readAll(log: Pick<EventLog, 'read' | 'firstSequence'>): string[] {
  const found: string[] = []
  log.read(log.firstSequence, 1_000, (_sequence, _count, bytes, start, end) => {
    for (const message of split(bytes, start, end)) found.push(Buffer.from(message).toString('hex'))
    return true
  })
  return found
}

const hex = (messages: readonly Uint8Array[]): string[] =>
  messages.map((message) => Buffer.from(message).toString('hex'))

for (const [name, make] of Object.entries(SUBJECTS)) {
  test(`${name}: a packet is cut, and the bounds move at once`, async (t) => {
    const subject = await make()
    const { log } = subject
    appendMessages(log, events(1, 4, 1))
    appendMessages(log, events(5, 4, 1))
    await durable(log)
    appendMessages(log, events(9, 4, 1))
    const done = log.truncate(7)
    t.equal(log.nextSequence, 7)
    t.equal(log.durableSequence, 6)
    t.equal(log.committedSequence, 6)
    t.equal(log.pendingPackets, 0)
    t.strictSame(readAll(log), hex(events(1, 6, 1)), 'what is taken back is not read any more')
    appendMessages(log, events(7, 2, 2))
    t.equal(log.durableSequence, 6)
    t.equal(log.lastEpoch, 1, 'the epoch of what is durable')
    await done
    await durable(log)
    for (const when of ['at once', 'after another start']) {
      t.strictSame(readAll(subject.log), hex([...events(1, 6, 1), ...events(7, 2, 2)]), when)
      t.equal(subject.log.lastEpoch, 2)
      t.strictSame(subject.log.epochTable, [
        { epoch: 1, sequence: 1 },
        { epoch: 2, sequence: 7 },
      ])
      t.equal(subject.log.sequenceAtTime(800_000), 8)
      await subject.reopen()
    }
    t.equal(await subject.verify(), 0)
    await subject.log.close()
  })

  test(`${name}: what is being written, and what waits`, async (t) => {
    const { log } = await make()
    const told: number[] = []
    log.onDurable((sequence) => told.push(sequence))
    appendMessages(log, events(1, 5, 1))
    await new Promise((resolve) => setImmediate(resolve))
    appendMessages(log, events(6, 5, 1))
    const first = log.truncate(9)
    appendMessages(log, events(9, 2, 1))
    const second = log.truncate(4)
    const third = log.truncate(4)
    appendMessages(log, events(4, 2, 3))
    await Promise.all([first, second, third])
    await durable(log)
    t.strictSame(readAll(log), hex([...events(1, 3, 1), ...events(4, 2, 3)]))
    t.equal(told.at(-1), 5)
    t.ok(told.slice(0, -1).every((sequence) => sequence <= 5))
    await log.close()
  })

  test(`${name}: nothing to take back, everything, and programmer's errors`, async (t) => {
    const { log } = await make()
    appendMessages(log, events(1, 3, 1))
    await log.truncate(4)
    t.throws(() => log.truncate(0), RangeError)
    t.throws(() => log.truncate(5), RangeError)
    await log.truncate(1)
    t.equal(log.nextSequence, 1)
    t.strictSame([log.lastEpoch, log.epochTable], [0, []])
    appendMessages(log, events(1, 2, 1))
    await durable(log)
    t.strictSame(readAll(log), hex(events(1, 2, 1)))
    void log.truncate(1)
    await log.close()
    t.throws(() => log.truncate(1), /closed/)
  })

  test(`${name}: where a log parts from a table`, async (t) => {
    const { log } = await make()
    t.equal(log.partsFrom([{ epoch: 9, sequence: 1 }]), 1, 'an empty log is of every branch')
    appendMessages(log, events(1, 5, 1))
    appendMessages(log, [...events(6, 2, 1), ...events(8, 3, 3)])
    const parts = (...entries: [number, number][]): number =>
      log.partsFrom(entries.map(([epoch, sequence]) => ({ epoch, sequence })))
    t.equal(parts([1, 1], [3, 8]), 11)
    t.equal(parts([1, 1], [3, 8], [4, 11]), 11)
    t.equal(parts([1, 1], [3, 8], [4, 10]), 10)
    t.equal(parts([1, 1], [4, 8]), 8)
    t.equal(parts([1, 1], [2, 6], [3, 8]), 6)
    t.equal(parts([1, 1], [3, 9]), 8)
    t.equal(parts([2, 1]), 1)
    t.equal(parts([1, 1]), 8, 'a reign that ended earlier')
    t.equal(parts(), 11, 'no table says nothing')
    t.equal(parts([1, 1], [4, 1]), 11, 'nor does one that is none')
    await log.close()
  })

  test(`${name}: any appends and truncations leave what they should`, async (t) => {
    const step = fc.record({
      what: fc.constantFrom('append', 'append', 'truncate', 'turn', 'durable', 'reopen'),
      amount: fc.integer({ min: 1, max: 6 }),
      newEpoch: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const subject = await make()
        const model: Uint8Array[] = []
        let epoch = 1
        for (const { what, amount, newEpoch } of steps) {
          const { log } = subject
          if (what === 'append') {
            if (newEpoch) epoch++
            const added = events(log.nextSequence, amount, epoch)
            model.push(...added)
            appendMessages(log, added)
          } else if (what === 'truncate') {
            model.length = Math.max(0, model.length - amount)
            void log.truncate(model.length + 1)
          } else if (what === 'turn') await new Promise((resolve) => setImmediate(resolve))
          else if (what === 'durable') await durable(log)
          else await subject.reopen()
          if (subject.log.durableSequence >= subject.log.nextSequence) throw new Error('durable beyond the end')
        }
        await subject.log.truncate(subject.log.nextSequence)
        await durable(subject.log)
        for (let round = 0; round < 2; round++) {
          const { log } = subject
          if (readAll(log).join() !== hex(model).join()) throw new Error('other events')
          const table = model.flatMap((message, i) =>
            i > 0 && message[17] === model[i - 1]?.[17] ? [] : [{ epoch: message[17] ?? 0, sequence: i + 1 }],
          )
          if (JSON.stringify(log.epochTable) !== JSON.stringify(table)) throw new Error('another epoch table')
          for (let at = 1; at <= model.length; at++) {
            if (log.sequenceAtTime(at * 100_000) !== at) throw new Error(`time index at ${at}`)
          }
          await subject.reopen()
        }
        await subject.log.close()
        if ((await subject.verify()) !== 0) throw new Error('verify')
      }),
      { numRuns: name === 'lmdb' ? 20 : 200 },
    )
    t.pass('for all that were tried')
  })
}

test('a reader of another environment sees the log end earlier, and then the other branch', async (t) => {
  const { log } = await lmdb()
  appendMessages(log, events(1, 8, 1))
  appendMessages(log, events(9, 8, 1))
  await durable(log)
  const reader = await LmdbLogReader.open(scratch.path, log.session)
  t.equal(reader.committedSequence, 16)
  t.equal(readAll(reader).length, 16)
  await log.truncate(6)
  await new Promise((resolve) => setTimeout(resolve, 5))
  t.equal(
    reader.read(12, 10, () => t.fail('nothing is there')),
    12,
  )
  t.equal(reader.committedSequence, 5, 'noticed without a refresh')
  t.strictSame(readAll(reader), hex(events(1, 5, 1)))
  appendMessages(log, events(6, 4, 2))
  await durable(log)
  t.equal(reader.refresh(), 9)
  t.strictSame(readAll(reader), hex([...events(1, 5, 1), ...events(6, 4, 2)]))
  t.strictSame(reader.epochTable(), [
    { epoch: 1, sequence: 1 },
    { epoch: 2, sequence: 6 },
  ])
  await reader.close()
  await log.close()
})
