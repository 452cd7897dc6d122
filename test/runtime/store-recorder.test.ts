/** What a store records and what it takes back: only what the epoch table of a newer reign disowns, and never what was stable. */
import { test } from 'tap'
import type { SeqcastError } from '../../src/core/errors.js'
import { silentLogger } from '../../src/core/log.js'
import { StoreRecorder } from '../../src/runtime/store-recorder.js'
import { MemoryEventLog } from '../../src/store/memory-event-log.js'
import { writeU16 } from '../../src/wire/bytes.js'
import type { EpochTableEntry, SequencerHeartbeat } from '../../src/wire/control.js'
import { SESSION_ENDED } from '../../src/wire/runtime-events.js'
import { eventBlocks, SESSION } from '../fixtures/event-packets.js'

class Rig {
  readonly log = new MemoryEventLog({ session: SESSION, durable: 'manual' })
  readonly reopened: { nextSequence: number; reason: string }[] = []
  readonly truncated: number[] = []
  readonly errors: SeqcastError[] = []
  readonly link = {
    receiver: { state: 'live', nextSequence: 1, epochTable: [] as EpochTableEntry[] },
    reopen: (nextSequence: number, _startRewinding: boolean, reason: string): void => {
      this.reopened.push({ nextSequence, reason })
      this.recorder.stateChanged('live', reason)
    },
  }
  readonly recorder: StoreRecorder
  promised = 0
  nowUs = 1_000_000

  /** @param recorded events of epoch 1 that are in the log at the start */
  constructor(recorded = 0, secondEpoch = 0) {
    const first = eventBlocks(1, recorded)
    if (recorded > 0) this.log.append(1, recorded, first, 0, first.length, 1)
    const second = eventBlocks(recorded + 1, secondEpoch, 2)
    if (secondEpoch > 0) this.log.append(recorded + 1, secondEpoch, second, 0, second.length, 1)
    this.log.sync()
    const cycle = { enter: () => this.nowUs, wallUs: 1 }
    this.recorder = new StoreRecorder(
      { session: SESSION, log: this.log, cycle, logger: silentLogger },
      {
        failed: (error) => this.errors.push(error),
        sessionEnded: () => {},
        truncated: (fromSequence) => this.truncated.push(fromSequence),
        promised: () => this.promised,
      },
    )
    this.link.receiver.nextSequence = this.log.nextSequence
    this.recorder.attach(this.link)
  }

  heartbeat(table: readonly (readonly [number, number])[], more: Partial<SequencerHeartbeat> = {}): void {
    const epochTable: EpochTableEntry[] = table.map(([epoch, sequence]) => ({ epoch, sequence }))
    this.recorder.onSequencer({
      epoch: epochTable.at(-1)?.epoch ?? 0,
      nextSequence: 100,
      stableSequence: 0,
      publishedIsStable: false,
      epochTable,
      state: 'open',
      held: false,
      requestPort: 1,
      counters: {},
      ...more,
    })
  }
}

test('the tail that a newer reign disowns is taken back, once, and the stream is taken again from there', (t) => {
  const rig = new Rig(10)
  const table = [[1, 1], [2, 6]] as const // biome-ignore format: a table
  rig.heartbeat(table)
  rig.heartbeat(table)
  t.equal(rig.log.nextSequence, 6)
  t.same(rig.truncated, [6])
  t.same(rig.reopened, [{ nextSequence: 6, reason: 'truncated' }])
  t.same([rig.recorder.counters.truncations, rig.recorder.counters.truncatedEvents], [1, 5])
  t.end()
})

test('a log that agrees with the new reign is left as it is', (t) => {
  const rig = new Rig(10)
  rig.heartbeat([[1, 1], [2, 11]]) // biome-ignore format: a table
  t.equal(rig.log.nextSequence, 11)
  t.same([rig.truncated, rig.reopened], [[], []])
  t.end()
})

test('an older reign takes nothing back: older than what is recorded, or than what was promised', (t) => {
  const recorded = new Rig(5, 5)
  recorded.heartbeat([[1, 1]])
  t.equal(recorded.log.nextSequence, 11, 'epoch 1 speaks to a log that has epoch 2')
  const promised = new Rig(10)
  promised.promised = 3
  promised.heartbeat([[1, 1], [2, 6]]) // biome-ignore format: a table
  t.equal(promised.log.nextSequence, 11, 'epoch 2 speaks to a voter that promised 3')
  promised.recorder.stateChanged('lost', 'the table of epoch 2')
  promised.recorder.revoked(6, 'the table of epoch 2', 'other-branch')
  t.same([promised.errors, promised.reopened], [[], []], 'it waits for the next reign')
  promised.heartbeat([[1, 1], [3, 11]]) // biome-ignore format: a table
  t.same(promised.reopened, [{ nextSequence: 11, reason: 'new-reign' }])
  t.end()
})

test('an older reign is not followed once the receiver has parted with the log for a newer one', (t) => {
  const rig = new Rig(10)
  rig.link.receiver.epochTable = [{ epoch: 1, sequence: 1 }, { epoch: 2, sequence: 6 }] // biome-ignore format: a table
  rig.recorder.stateChanged('lost', 'the table of epoch 2')
  rig.recorder.revoked(6, 'the table of epoch 2', 'other-branch')
  rig.heartbeat([[1, 1]], { state: 'held' })
  t.same(
    [rig.errors, rig.reopened],
    [[], []],
    'the receiver would go on behind the tail of epoch 1 with events of epoch 2',
  )
  rig.heartbeat([[1, 1], [2, 6]]) // biome-ignore format: a table
  t.same(rig.reopened, [{ nextSequence: 6, reason: 'truncated' }])
  t.end()
})

test('an end that was not stable is gone beyond by the next reign: the stream is taken again', (t) => {
  const rig = new Rig(10)
  rig.heartbeat([[1, 1]])
  rig.recorder.stateChanged('ended', 'end-of-session')
  rig.heartbeat([[1, 1]])
  t.same(rig.reopened, [])
  rig.heartbeat([[1, 1], [2, 11]], { state: 'ending' }) // biome-ignore format: a table
  t.same(rig.reopened, [{ nextSequence: 11, reason: 'new-reign' }])
  t.end()
})

test('a table that is none takes nothing back', (t) => {
  const rig = new Rig(10)
  for (const table of [[], [[2, 6]], [[1, 6], [2, 5]], [[2, 1], [1, 6], [2, 7]]] as const) rig.heartbeat(table, { epoch: 2 }) // biome-ignore format: tables
  rig.heartbeat([[1, 1], [2, 6]], { epoch: 3 }) // biome-ignore format: a table
  rig.heartbeat([[1, 1], [2, 6]], { state: 'adopting' }) // biome-ignore format: a table
  t.equal(rig.log.nextSequence, 11)
  t.end()
})

test('what was stable is never taken back: the store stops instead', (t) => {
  const rig = new Rig(10)
  rig.heartbeat([[1, 1]], { stableSequence: 7 })
  rig.heartbeat([[1, 1], [2, 7]]) // biome-ignore format: a table
  t.equal(rig.log.nextSequence, 11)
  t.match(rig.errors, [{ code: 'E_LOST', fields: { fromSequence: 7, stableSequence: 7, epoch: 2 } }])
  t.end()
})

test('what the receiver gives up, which it does without voters only, ends the store with the range', (t) => {
  const rig = new Rig(10)
  rig.heartbeat([[1, 1]], { publishedIsStable: true })
  rig.recorder.lost(11, 20, 'nobody had it')
  t.match(rig.errors, [{ code: 'E_LOST', fields: { from: 11, to: 20 } }])
  t.same(rig.reopened, [])
  t.end()
})

test('a receiver that knew less than the log is told what the log has, once', (t) => {
  const rig = new Rig(5, 5)
  rig.heartbeat([[1, 1], [2, 6]]) // biome-ignore format: a table
  rig.recorder.revoked(6, 'the table of epoch 2', 'other-branch')
  t.same(rig.reopened, [{ nextSequence: 11, reason: 'compared' }])
  rig.recorder.revoked(6, 'the table of epoch 2', 'other-branch')
  t.match(rig.errors, [{ code: 'E_LOST' }])
  t.end()
})

test('what the old reign sent after the comparison is taken back when the receiver parts with it', (t) => {
  const rig = new Rig(5)
  rig.heartbeat([[1, 1], [2, 6]]) // biome-ignore format: a table
  t.equal(rig.log.nextSequence, 6, 'nothing to take back yet')
  const late = eventBlocks(6, 2)
  rig.recorder.deliver(6, 2, late, 0, late.length)
  rig.recorder.revoked(6, 'the table of epoch 2', 'other-branch')
  t.same(rig.truncated, [6])
  t.same(rig.reopened, [{ nextSequence: 6, reason: 'truncated' }])
  t.end()
})

test('a reign that only the receiver believes is waited for', (t) => {
  const rig = new Rig(10)
  rig.heartbeat([[1, 1]])
  rig.link.receiver.epochTable = [{ epoch: 1, sequence: 1 }, { epoch: 2, sequence: 6 }] // biome-ignore format: a table
  rig.recorder.stateChanged('lost', 'another branch')
  rig.recorder.revoked(6, 'the table of epoch 2', 'other-branch')
  t.same(rig.reopened, [], 'not with events of the old reign')
  rig.heartbeat([[1, 1], [2, 6]]) // biome-ignore format: a table
  t.same(rig.truncated, [6])
  t.same(rig.reopened, [{ nextSequence: 6, reason: 'truncated' }])
  t.same(rig.errors, [])
  t.end()
})

test('a sequencer without voters that was restarted behind is a loss, as it says nothing of another branch', (t) => {
  const rig = new Rig(10)
  rig.heartbeat([[1, 1]], { publishedIsStable: true, nextSequence: 6 })
  rig.recorder.revoked(6, 'it restarted', 'restarted-behind')
  t.match(rig.errors, [{ code: 'E_LOST', fields: { from: 6, to: 10 } }])
  t.equal(rig.log.nextSequence, 11)
  t.end()
})

test('after the end of the session nothing is recorded, but a newer reign that says the end again', (t) => {
  const rig = new Rig(10)
  const deliver = (sequence: number, epoch: number, isEnd = false): void => {
    const blocks = eventBlocks(sequence, 1, epoch)
    if (isEnd) writeU16(blocks, 2, SESSION_ENDED)
    rig.recorder.deliver(sequence, 1, blocks, 0, blocks.length)
  }
  deliver(11, 1, true)
  deliver(12, 1)
  deliver(13, 1)
  t.equal(rig.log.nextSequence, 12)
  deliver(12, 2)
  deliver(13, 2, true)
  t.equal(rig.log.nextSequence, 14)
  t.same(rig.errors, [])
  t.end()
})
