/** The contract of EventLog, run over the log on LMDB, the one in memory, and the one of the simulation. */
import fc from 'fast-check'
import { test } from 'tap'
import { STORE_PENDING_PACKETS } from '../../src/core/limits.js'
import type { EventLog } from '../../src/protocol/event-log.js'
import { LmdbEventLog } from '../../src/store/lmdb-event-log.js'
import { MemoryEventLog } from '../../src/store/memory-event-log.js'
import type { BlockKind } from '../../src/store/time-index.js'
import { StoreMachine } from '../sim/store-machine.js'
import { appendMessages, durable, eventBytes, numberedEvents, scratchDirectory, split } from './recordings.js'

interface MakeOptions {
  readonly firstSequence?: number
  readonly kind?: BlockKind
}

const scratch = scratchDirectory()
process.on('exit', () => scratch.remove())
let made = 0

const IMPLEMENTATIONS: Record<string, (options?: MakeOptions) => Promise<EventLog>> = {
  lmdb: (options = {}) => LmdbEventLog.open({ directory: scratch.path, session: `S${made++}`, ...options }),
  memory: async (options = {}) => new MemoryEventLog({ session: `S${made++}`, ...options }),
  simulated: (options = {}) => new StoreMachine(made).openLive({ session: `S${made++}`, ...options }),
}

interface Visited {
  readonly sequence: number
  readonly messages: Uint8Array[]
  readonly receivedUs: number
}

/** tap's own comparison takes minutes over megabytes. */
function same(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((message, i) => Buffer.compare(message, b[i]!) === 0)
}

function readAll(
  log: EventLog,
  from: number,
  maxPackets = Number.POSITIVE_INFINITY,
): { next: number; runs: Visited[] } {
  const runs: Visited[] = []
  const next = log.read(from, maxPackets, (sequence, count, bytes, start, end, receivedUs) => {
    const messages = split(bytes, start, end)
    if (messages.length !== count) throw new Error(`count ${count}, blocks ${messages.length}`)
    runs.push({ sequence, messages, receivedUs })
    return true
  })
  return { next, runs }
}

for (const [name, make] of Object.entries(IMPLEMENTATIONS)) {
  test(`${name}: an empty log`, async (t) => {
    const log = await make({ firstSequence: 7 })
    t.equal(log.firstSequence, 7)
    t.equal(log.nextSequence, 7)
    t.equal(log.committedSequence, 6)
    t.equal(log.durableSequence, 6)
    t.equal(log.pendingPackets, 0)
    t.strictSame(readAll(log, 7), { next: 7, runs: [] })
    t.equal(log.sequenceAtTime(0), 7)
    await log.close()
  })

  test(`${name}: appended, committed and durable are kept apart`, async (t) => {
    const log = await make()
    const told: number[] = []
    log.onDurable((sequence) => told.push(sequence))
    appendMessages(log, numberedEvents(1, 3))
    appendMessages(log, numberedEvents(4, 2))
    t.equal(log.nextSequence, 6)
    t.equal(log.durableSequence, 0, 'nothing is durable within the turn')
    t.equal(log.pendingPackets, 2)
    t.ok(log.committedSequence <= 5)
    await durable(log)
    t.strictSame(told, [5], 'one turn, one acknowledgement')
    t.equal(log.committedSequence, 5)
    t.equal(log.pendingPackets, 0)
    await log.close()
  })

  test(`${name}: bytes are copied before append returns`, async (t) => {
    const log = await make()
    const run = new Uint8Array([9, 9, 0, 2, 65, 66, 9])
    log.append(1, 1, run, 2, 6, 123_456)
    run.fill(0)
    await durable(log)
    t.strictSame(readAll(log, 1).runs, [{ sequence: 1, messages: [Uint8Array.of(65, 66)], receivedUs: 123_456 }])
    await log.close()
  })

  test(`${name}: programmer's errors throw and change nothing`, async (t) => {
    const log = await make()
    const run = Uint8Array.of(0, 1, 65)
    t.throws(() => log.append(2, 1, run, 0, 3, 0), /1 is next/)
    t.throws(() => log.append(1, 0, run, 0, 3, 0), RangeError)
    t.throws(() => log.append(1, 1, run, 0, 4, 0), RangeError)
    t.throws(() => log.append(1, 1, run, 3, 3, 0), RangeError)
    t.throws(() => log.append(1, 0xffff, run, 0, 3, 0), RangeError)
    t.equal(log.nextSequence, 1)
    await log.close()
    t.throws(() => log.append(1, 1, run, 0, 3, 0), /closed/)
    t.throws(() => log.read(1, 1, () => true), /closed/)
  })

  test(`${name}: pending packets are bounded`, async (t) => {
    const log = await make()
    const run = Uint8Array.of(0, 1, 65)
    for (let i = 1; i <= STORE_PENDING_PACKETS; i++) log.append(i, 1, run, 0, 3, 0)
    t.throws(() => log.append(log.nextSequence, 1, run, 0, 3, 0), /pending/)
    await durable(log)
    log.append(log.nextSequence, 1, run, 0, 3, 0)
    await log.close()
    t.equal(log.durableSequence, STORE_PENDING_PACKETS + 1, 'close waits for durability')
  })

  test(`${name}: the visitor and the packet bound stop a read`, async (t) => {
    const log = await make()
    for (let i = 0; i < 5; i++) appendMessages(log, numberedEvents(1 + i * 4, 4))
    await durable(log)
    t.equal(
      log.read(3, 100, () => false),
      5,
    )
    t.equal(readAll(log, 3, 2).next, 9)
    t.equal(
      log.read(1, 0, () => true),
      1,
    )
    t.equal(readAll(log, 21).next, 21, 'past the end nothing is visited')
    t.equal(readAll(log, 0).runs.length, 0, 'before the beginning nothing is visited')
    await log.close()
  })

  test(`${name}: appending while reading`, async (t) => {
    const log = await make()
    appendMessages(log, numberedEvents(1, 3))
    appendMessages(log, numberedEvents(4, 3))
    await durable(log)
    const copy = await make()
    log.read(1, 100, (sequence, count, bytes, start, end, receivedUs) => {
      copy.append(sequence, count, bytes, start, end, receivedUs)
      appendMessages(log, numberedEvents(log.nextSequence, 1))
      return true
    })
    await durable(copy)
    await durable(log)
    t.strictSame(
      readAll(copy, 1).runs.flatMap((run) => run.messages),
      numberedEvents(1, 6),
    )
    t.equal(readAll(log, 1).next, 9)
    await log.close()
    await copy.close()
  })

  test(`${name}: any packets, read from anywhere, give the same events`, async (t) => {
    const message = fc.uint8Array({ minLength: 0, maxLength: 90 })
    const packets = fc.array(fc.array(message, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(
        packets,
        fc.nat(),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(1e9),
        async (all, pick, step, base) => {
          const log = await make({ firstSequence: base + 1 })
          try {
            for (const [i, packet] of all.entries()) appendMessages(log, packet, i)
            await durable(log)
            const messages = all.flat()
            let at = base + 1 + (pick % messages.length)
            const expected = messages.slice(at - base - 1)
            const got: Uint8Array[] = []
            while (at <= log.committedSequence) {
              const { next, runs } = readAll(log, at, step)
              if (runs[0]?.sequence !== at) throw new Error('the first run is not cut to begin where it was asked')
              for (const run of runs) got.push(...run.messages)
              at = next
            }
            if (!same(got, expected))
              throw new Error(`${got.length} events differ from the ${expected.length} expected`)
          } finally {
            await log.close()
          }
        },
      ),
      { numRuns: name === 'lmdb' ? 25 : 200 },
    )
    t.pass('for all packetisations that were tried')
  })

  test(`${name}: packets larger than a page, and sequences above 2^32`, async (t) => {
    const log = await make({ firstSequence: 2 ** 32 - 2, kind: 'opaque' })
    const big = Array.from({ length: 20 }, (_, i) => new Uint8Array(60_000).fill(i))
    for (const message of big) appendMessages(log, [message, Uint8Array.of(1)])
    appendMessages(log, big)
    await durable(log)
    const { runs, next } = readAll(log, 2 ** 32 - 1)
    t.equal(next, 2 ** 32 + 58)
    t.equal(runs[0]?.sequence, 2 ** 32 - 1)
    t.ok(same(runs.at(-1)?.messages ?? [], big))
    await log.close()
  })

  test(`${name}: the time index gives a place from which nothing at or after the time is missed`, async (t) => {
    const times = fc.array(fc.array(fc.nat(250_000), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(times, fc.nat(2_000_000), async (steps, asked) => {
        const log = await make()
        try {
          let now = 500_000
          const flat: number[] = []
          for (const packet of steps) {
            const events = packet.map((step) => {
              now += step
              flat.push(now)
              return eventBytes({ timeUs: now })
            })
            appendMessages(log, events, 1)
          }
          await durable(log)
          const bucketStart = Math.floor(asked / 100_000) * 100_000
          const index = flat.findIndex((time) => time >= bucketStart)
          const expected = index < 0 ? flat.length + 1 : index + 1
          t.equal(log.sequenceAtTime(asked), expected)
        } finally {
          await log.close()
        }
      }),
      { numRuns: name === 'lmdb' ? 25 : 200 },
    )
  })

  test(`${name}: a foreign stream is indexed by receive time`, async (t) => {
    const log = await make({ kind: 'opaque' })
    for (let i = 0; i < 10; i++) appendMessages(log, [Uint8Array.of(i), Uint8Array.of(i)], 1_000_000 + i * 60_000)
    await durable(log)
    t.equal(log.sequenceAtTime(0), 1)
    t.equal(log.sequenceAtTime(1_150_000), 5, 'packet 2 is the first one received from 1.1 s on')
    t.equal(log.sequenceAtTime(9_000_000), 21)
    await log.close()
  })
}
