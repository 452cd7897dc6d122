/** The store's TCP side over a log that commits later than it accepts: nothing is cut off, neither live nor after a restart. */
import { test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import { DutyCycle } from '../../src/runtime/duty-cycle.js'
import { systemPlatform } from '../../src/runtime/platform.js'
import { RewindListener } from '../../src/runtime/rewind-listener.js'
import type { ServedLog } from '../../src/runtime/served-log.js'
import { MemoryEventLog } from '../../src/store/memory-event-log.js'
import { writeU16 } from '../../src/wire/bytes.js'
import { SESSION_ENDED } from '../../src/wire/runtime-events.js'
import { eventBlocks, SESSION } from '../fixtures/event-packets.js'
import { IndependentSoupClient } from '../fixtures/independent-soup-client.js'

function append(log: MemoryEventLog, first: number, count: number): void {
  const blocks = eventBlocks(first, count)
  log.append(first, count, blocks, 0, blocks.length, 1)
}

function appendEnd(log: MemoryEventLog, sequence: number): void {
  const blocks = eventBlocks(sequence, 1)
  writeU16(blocks, 2, SESSION_ENDED)
  log.append(sequence, 1, blocks, 0, blocks.length, 1)
}

async function serve(
  log: MemoryEventLog,
): Promise<{ listener: RewindListener; served: ServedLog; close: () => Promise<void> }> {
  const cycle = new DutyCycle(systemPlatform(), 'block')
  cycle.start()
  log.onDurable(() => cycle.enter())
  const listener = await RewindListener.open({ address: '127.0.0.1', port: 0 }, cycle, silentLogger)
  const served = listener.serve(SESSION, log)
  return {
    listener,
    served,
    close: async () => {
      await listener.close()
      cycle.stop()
    },
  }
}

test('the end of the session follows the last event, also where that is committed later', async (t) => {
  const log = new MemoryEventLog({ session: SESSION, durable: 'manual' })
  append(log, 1, 3)
  log.sync()
  const { listener, served, close } = await serve(log)
  const client = await IndependentSoupClient.connect({ port: listener.port, session: SESSION })
  await client.waitForMessages(3)
  append(log, 4, 2)
  appendEnd(log, 6)
  served.onSessionEnded(6)
  await new Promise((resolve) => setTimeout(resolve, 30))
  t.equal(client.ended, false, 'not before the last event can be read')
  log.sync()
  await client.waitForEnd()
  t.equal(client.messages.length, 6)
  t.strictSame(client.problems, [])
  await close()
})

test('a store that is started again on an ended session says so', async (t) => {
  const log = new MemoryEventLog({ session: SESSION, durable: 'manual' })
  append(log, 1, 3)
  appendEnd(log, 4)
  log.sync()
  const { listener, close } = await serve(log)
  const client = await IndependentSoupClient.connect({ port: listener.port, session: SESSION })
  await client.waitForEnd()
  t.equal(client.messages.length, 4)
  t.strictSame(client.problems, [])
  await close()
})
