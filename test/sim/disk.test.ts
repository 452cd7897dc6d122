/** The simulated disk: what was said to be synced is never lost; all else may be, and its last record may be torn. */
import fc from 'fast-check'
import { test } from 'tap'
import { SeqcastError } from '../../src/core/errors.js'
import type { StoredPromise } from '../../src/protocol/voter.js'
import type { SimEventLog } from '../../src/sim/sim-event-log.js'
import { SimPromises } from '../../src/sim/sim-promises.js'
import { blocks, eventBytes, split } from '../store/recordings.js'
import { SECOND_US } from './rig.js'
import { StoreMachine } from './store-machine.js'

const SESSION = 'DISK'

function event(sequence: number, epoch: number): Uint8Array {
  return eventBytes({ sourceSequence: sequence, epoch, payload: new Uint8Array(20).fill(sequence) })
}

function append(log: SimEventLog, count: number, epoch = 1): Uint8Array[] {
  const events = Array.from({ length: count }, (_, i) => event(log.nextSequence + i, epoch))
  const run = blocks(events)
  log.append(log.nextSequence, count, run, 0, run.length, 0)
  return events
}

function contentOf(log: SimEventLog): string[] {
  const found: string[] = []
  log.read(log.firstSequence, Number.POSITIVE_INFINITY, (_sequence, _count, bytes, start, end) => {
    for (const message of split(bytes, start, end)) found.push(Buffer.from(message).toString('hex'))
    return true
  })
  return found
}

async function opened(store: StoreMachine): Promise<SimEventLog> {
  const opening = store.open({ session: SESSION })
  await store.world.run({ deadlineUs: store.world.nowUs + SECOND_US })
  return opening
}

const pass = (store: StoreMachine, us: number) => store.world.run({ deadlineUs: store.world.nowUs + us })

test('a sync takes its time, and a slow disk more', async (t) => {
  const store = new StoreMachine()
  const log = await opened(store)
  append(log, 3)
  await pass(store, 100)
  t.equal(log.durableSequence, 0)
  await pass(store, 5_000)
  t.equal(log.durableSequence, 3)
  store.machine.disk.setSpeed(100_000, 200_000)
  append(log, 3)
  await pass(store, 90_000)
  t.equal(log.durableSequence, 3)
  await pass(store, 120_000)
  t.equal(log.durableSequence, 6)
})

test('what was synced outlives any kill; what was not is lost, torn or there; nothing else ever appears', async (t) => {
  const seen = { lost: 0, kept: 0 }
  const step = fc.record({
    what: fc.constantFrom('append', 'append', 'append', 'truncate', 'pass', 'pass', 'kill', 'double-kill', 'exit'),
    amount: fc.integer({ min: 1, max: 8 }),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 1e6 }),
      async (steps, seed) => {
        const store = new StoreMachine(seed)
        let log = await opened(store)
        /** What the log had after each call, by whatever a crash may bring back: oldest first. */
        let histories: string[][] = [[]]
        let epoch = 1
        log.onDurable(() => {})
        const current = (): string[] => histories.at(-1) ?? []
        for (const { what, amount } of steps) {
          if (what === 'append') {
            const events = append(log, amount, epoch)
            // A crash may cut between packets, never within: the record of one is whole or torn.
            histories.push([...current(), ...events.map((bytes) => Buffer.from(bytes).toString('hex'))])
          } else if (what === 'truncate') {
            const from = Math.max(1, log.nextSequence - amount)
            void log.truncate(from)
            epoch += 1
            histories.push(current().slice(0, from - 1))
          } else if (what === 'pass') {
            await pass(store, amount * 300)
            const isQuiet = log.pendingPackets === 0 && log.durableSequence === log.nextSequence - 1
            if (isQuiet && amount === 8) {
              await pass(store, SECOND_US)
              histories = [current()]
            }
          } else {
            const durable = what === 'exit' ? log.close() : undefined
            if (durable !== undefined) {
              await pass(store, SECOND_US)
              await durable
              histories = [current()]
            }
            const promised = current().slice(0, log.durableSequence)
            const isTruncating = histories.some((content) => promised.some((bytes, i) => content[i] !== bytes))
            store.restart(what === 'exit' ? 'exit' : 'kill')
            if (what === 'double-kill') {
              void store.open({ session: SESSION })
              await pass(store, 50)
              store.restart('kill')
            }
            log = await opened(store)
            const found = contentOf(log)
            const at = histories.findIndex((content) => content.join() === found.join())
            if (at < 0) throw new Error(`after ${what}: ${found.length} events that were never there`)
            if (
              !isTruncating &&
              found.length < promised.length &&
              histories.every((h) => h.length >= promised.length)
            ) {
              throw new Error(`${promised.length} were durable, ${found.length} are left`)
            }
            if (at === histories.length - 1) seen.kept += 1
            else seen.lost += 1
            histories = [found]
          }
        }
      },
    ),
    { numRuns: 300 },
  )
  t.ok(seen.kept > 20 && seen.lost > 20, JSON.stringify(seen))
})

test('durable events are there after a kill at any moment', async (t) => {
  let tornWrites = 0
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1e6 }), fc.nat(20_000), async (seed, killUs) => {
      const store = new StoreMachine(seed)
      const log = await opened(store)
      let told = 0
      log.onDurable((sequence) => {
        told = sequence
      })
      for (let i = 0; i < 30; i++) store.world.after(i * 500, () => append(log, 3))
      await pass(store, killUs)
      const written = log.nextSequence - 1
      store.restart('kill')
      tornWrites += store.machine.disk.counters.tornWrites
      const next = await opened(store)
      if (next.durableSequence < told) throw new Error(`${told} were told, ${next.durableSequence} are there`)
      if (next.nextSequence - 1 > written) throw new Error('more than was ever written')
      const expected = Array.from({ length: next.durableSequence }, (_, i) =>
        Buffer.from(event(i + 1, 1)).toString('hex'),
      )
      if (contentOf(next).join() !== expected.join()) throw new Error('other bytes')
    }),
    { numRuns: 200 },
  )
  t.ok(tornWrites > 10, `${tornWrites} writes were torn`)
})

test('a full disk: told once, nothing more is accepted, and what was durable is there afterwards', async (t) => {
  const store = new StoreMachine()
  const log = await opened(store)
  append(log, 3)
  await pass(store, 10_000)
  const failures: Error[] = []
  log.onFailure((error) => failures.push(error))
  store.machine.disk.setFull(true)
  append(log, 2)
  await pass(store, 10_000)
  append(log, 2)
  await pass(store, 10_000)
  t.equal(failures.length, 1)
  const [failure] = failures
  t.ok(failure instanceof SeqcastError && failure.code === 'E_STORE_FULL')
  t.equal(log.durableSequence, 3)
  await log.close()
  store.restart('kill')
  await t.rejects(store.open({ session: SESSION }), { code: 'E_STORE_FULL' })
  store.machine.disk.setFull(false)
  const next = await opened(store)
  t.equal(next.nextSequence, 4)
})

const promise = (epoch: number): StoredPromise => ({ epoch, candidate: epoch * 10, life: 1, lives: {} })

test('promises: told when synced, in order, and the last one told outlives a kill', async (t) => {
  const outcomes = new Set<number>()
  for (let seed = 1; seed <= 40; seed++) {
    const store = new StoreMachine(seed)
    await opened(store)
    const open = (): SimPromises =>
      SimPromises.open({ disk: store.machine.disk, platform: store.platform, session: SESSION })
    const promises = open()
    t.equal(promises.stored, undefined)
    const told: number[] = []
    for (const epoch of [1, 2, 3]) {
      promises.write(promise(epoch), (error) => {
        t.equal(error, undefined)
        told.push(epoch)
      })
    }
    t.throws(() => promises.write(promise(2), () => {}), /after one of 3/)
    await pass(store, seed * 100)
    t.equal(promises.stored?.epoch, told.at(-1))
    store.restart('kill')
    await opened(store)
    const stored = open().stored?.epoch ?? 0
    const last = told.at(-1) ?? 0
    t.ok(stored === last || stored === last + 1, `${stored} after ${last} was told`)
    outcomes.add(stored - last)
  }
  t.equal(outcomes.size, 2, 'a crash in the midst of a write leaves either')
})

test('promises: full disk, close, and a log that is made anew', async (t) => {
  const store = new StoreMachine()
  await opened(store)
  const { disk } = store.machine
  const promises = SimPromises.open({ disk, platform: store.platform, session: SESSION })
  promises.write(promise(1), () => {})
  let isClosed = false
  void promises.close().then(() => {
    isClosed = true
  })
  t.equal(isClosed, false)
  await pass(store, 10_000)
  t.equal(isClosed, true)
  disk.setFull(true)
  const errors: (Error | undefined)[] = []
  promises.write(promise(2), (error) => errors.push(error))
  await pass(store, 10_000)
  t.ok(errors[0] instanceof SeqcastError && errors[0].code === 'E_STORE_FULL')
  disk.setFull(false)
  promises.write(promise(3), (error) => errors.push(error))
  await pass(store, 10_000)
  t.ok(errors[1] instanceof SeqcastError, 'nobody knows any more what the disk has')
  store.restart('kill')
  t.equal(SimPromises.open({ disk, platform: store.platform, session: SESSION }).stored?.epoch, 1)
  disk.wipe()
  await opened(store)
  t.equal(SimPromises.open({ disk, platform: store.platform, session: SESSION }).stored, undefined)
})
