/** A rewind comes as fast as it is read: who cannot keep up makes it wait, in bounded memory, and gets all of it. */
import { test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import { DutyCycle } from '../../src/runtime/duty-cycle.js'
import { systemPlatform } from '../../src/runtime/platform.js'
import { RewindLink } from '../../src/runtime/rewind-link.js'
import { RewindListener } from '../../src/runtime/rewind-listener.js'
import { MemoryEventLog } from '../../src/store/memory-event-log.js'
import { eventBlocks, SESSION } from '../fixtures/event-packets.js'

const RUN_EVENTS = 2_000
const RUNS = 400

test('a rewind waits for a listener that is full', async (t) => {
  const log = new MemoryEventLog({ session: SESSION, durable: 'manual' })
  const blocks = eventBlocks(1, RUN_EVENTS)
  for (let i = 0; i < RUNS; i++) log.append(1 + i * RUN_EVENTS, RUN_EVENTS, blocks, 0, blocks.length, 1)
  log.sync()
  const cycle = new DutyCycle(systemPlatform(), 'block')
  cycle.start()
  const server = await RewindListener.open({ address: '127.0.0.1', port: 0 }, cycle, silentLogger)
  server.serve(log.session, log)
  let taken = 0
  let isFull = false
  let wasFull = false
  let done: () => void = () => {}
  const all = new Promise<void>((resolve) => {
    done = resolve
  })
  const link = new RewindLink(
    SESSION,
    cycle,
    {
      started: () => {},
      run: (_sequence, count) => {
        taken += count
        if (taken >= 100_000 && !wasFull) isFull = true
        if (taken === RUN_EVENTS * RUNS) done()
      },
      sessionEnded: () => {},
      ended: (reason) => t.fail(reason),
      mustWait: () => isFull,
    },
    silentLogger,
  )
  const agent = { flush: (): void => {}, tick: (nowUs: number): number => link.tick(nowUs) }
  cycle.add(agent)
  link.start(1, { address: '127.0.0.1', port: server.port })
  while (!isFull) await new Promise((resolve) => setTimeout(resolve, 5))
  const before = taken
  await new Promise((resolve) => setTimeout(resolve, 200))
  t.ok(link.isWaiting)
  t.equal(taken, before, 'nothing more is taken')
  t.ok(before < 110_000, `${before} events were taken`)
  wasFull = true
  isFull = false
  cycle.enter()
  await Promise.race([all, new Promise((resolve) => setTimeout(resolve, 10_000))])
  t.equal(taken, RUN_EVENTS * RUNS)
  link.stop()
  t.equal(link.isWaiting, false)
  await server.close()
  cycle.stop()
})
