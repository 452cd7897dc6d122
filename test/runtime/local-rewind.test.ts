/** A rewind from the files of a store on the same machine: the contract of a rewind over TCP, without the store's help. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import { DutyCycle } from '../../src/runtime/duty-cycle.js'
import { LocalRewind } from '../../src/runtime/local-rewind.js'
import { systemPlatform } from '../../src/runtime/platform.js'
import { LmdbEventLog } from '../../src/store/lmdb-event-log.js'
import { writeU16 } from '../../src/wire/bytes.js'
import { SESSION_ENDED } from '../../src/wire/runtime-events.js'
import { checkEvents, eventBlocks, SESSION } from '../fixtures/event-packets.js'

const PACKET_EVENTS = 20

class Rig {
  readonly directory: string
  readonly said: string[] = []
  readonly cycle = new DutyCycle(systemPlatform(), 'block')
  readonly rewind: LocalRewind
  next = 0
  isFull = false
  isBehind = false
  checks = true
  onRun: () => void = () => {}

  constructor(t: Test) {
    this.directory = mkdtempSync(join(tmpdir(), 'seqcast-local-'))
    this.rewind = new LocalRewind(
      this.directory,
      SESSION,
      this.cycle,
      {
        started: (sequence) => {
          this.said.push('started')
          this.next = sequence
        },
        run: (sequence, count, bytes, start, end) => {
          if (sequence !== this.next) throw new Error(`run at ${sequence} where ${this.next} is next`)
          if (this.checks) checkEvents(sequence, count, bytes, start, end)
          this.next = sequence + count
          this.onRun()
        },
        caughtUp: () => this.said.push('caught up'),
        sessionEnded: () => this.said.push('session ended'),
        ended: (reason) => this.said.push(`ended: ${reason}`),
        mustWait: () => this.isFull,
        isBehind: () => this.isBehind,
        unavailable: (fromSequence, reason) => this.said.push(`unavailable from ${fromSequence}: ${reason}`),
      },
      silentLogger,
    )
    this.cycle.add({ flush: () => {}, tick: (nowUs) => this.rewind.tick(nowUs) })
    this.cycle.start()
    t.teardown(() => {
      this.rewind.stop()
      this.cycle.stop()
      rmSync(this.directory, { recursive: true, force: true })
    })
  }

  record(firstSequence = 1): Promise<LmdbEventLog> {
    return LmdbEventLog.open({ directory: this.directory, session: SESSION, firstSequence })
  }

  async until(what: string, holds: () => boolean): Promise<void> {
    const deadline = performance.now() + 10_000
    while (!holds()) {
      if (performance.now() > deadline) throw new Error(`no ${what}: ${this.said.join(', ')}; next is ${this.next}`)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
}

async function append(log: LmdbEventLog, packets: number): Promise<void> {
  for (let i = 0; i < packets; i++) {
    const blocks = eventBlocks(log.nextSequence, PACKET_EVENTS)
    log.append(log.nextSequence, PACKET_EVENTS, blocks, 0, blocks.length, 1)
  }
  while (log.pendingPackets > 0) await new Promise((resolve) => setTimeout(resolve, 1))
}

test('it hands on what is recorded from any event on, and then what is recorded meanwhile', async (t) => {
  const rig = new Rig(t)
  const log = await rig.record()
  await append(log, 100)
  rig.rewind.start(7)
  await rig.until('end', () => rig.said.includes('caught up'))
  t.strictSame([rig.said, rig.next], [['started', 'caught up'], 2_001])
  await append(log, 3)
  await rig.until('live events', () => rig.next === 2_061)
  t.equal(rig.said.filter((what) => what === 'caught up').length, 2)
  rig.rewind.stop()
  await append(log, 3)
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(rig.next, 2_061, 'nothing after it was stopped')
  await log.close()
})

test('it waits while nothing can be taken, and lets others have their turn', async (t) => {
  const rig = new Rig(t)
  const log = await rig.record()
  await append(log, 2_000)
  rig.checks = false
  rig.rewind.start(1)
  rig.onRun = () => {
    if (rig.next > 4_000) rig.isFull = true
  }
  await rig.until('a full listener', () => rig.isFull)
  const before = rig.next
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(rig.next, before, 'nothing more is handed on')
  t.ok(before < 4_000 + 2 * PACKET_EVENTS, `it stopped at once: ${before}`)
  t.ok(rig.rewind.isWaiting)
  rig.onRun = () => {}
  rig.isFull = false
  let turns = 0
  const count = (): void => {
    turns += 1
    if (rig.next < 40_001) setImmediate(count)
  }
  setImmediate(count)
  rig.cycle.enter()
  await rig.until('end', () => rig.next === 40_001)
  t.ok(turns >= 4, `${turns} turns of the loop for 36,000 events`)
  await log.close()
})

test('the end of the session', async (t) => {
  const rig = new Rig(t)
  const log = await rig.record()
  const blocks = eventBlocks(1, 1)
  writeU16(blocks, 2, SESSION_ENDED)
  log.append(1, 1, blocks, 0, blocks.length, 1)
  await log.close()
  rig.checks = false
  rig.rewind.start(1)
  await rig.until('end', () => rig.said.length === 2)
  t.strictSame(rig.said, ['started', 'session ended'])
})

test('files that end while the stream goes on are left', async (t) => {
  const rig = new Rig(t)
  const log = await rig.record()
  await append(log, 2)
  await log.close()
  rig.isBehind = true
  rig.rewind.start(1)
  await rig.until('end', () => rig.said.length === 3)
  t.match(rig.said, ['started', 'caught up', /^ended: the local files end at 40$/])
})

test('what the files do not have is said, and nothing is handed on', async (t) => {
  const rig = new Rig(t)
  rig.rewind.start(1)
  await rig.until('answer', () => rig.said.length === 1)
  const log = await rig.record(11)
  await append(log, 1)
  for (const from of [10, 31]) {
    rig.rewind.start(from)
    const { length } = rig.said
    await rig.until('answer', () => rig.said.length > length)
  }
  t.match(rig.said, [/is not recorded/, /^unavailable from 10: .*begins at 11/, /^unavailable from 31: .*ends at 30/])
  t.equal(rig.next, 0)
  await log.close()
})

test('it may be stopped while it hands on', async (t) => {
  const rig = new Rig(t)
  const log = await rig.record()
  await append(log, 10)
  rig.onRun = () => rig.rewind.stop()
  rig.rewind.start(1)
  await rig.until('run', () => rig.next > 0 && rig.next > 1)
  await new Promise((resolve) => setTimeout(resolve, 30))
  t.equal(rig.next, 1 + PACKET_EVENTS)
  rig.onRun = () => {}
  rig.rewind.start(rig.next)
  await rig.until('end', () => rig.next === 201)
  await log.close()
})
