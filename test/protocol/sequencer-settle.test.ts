/** A sequencer that continues a session lets everybody hear of it first. */
import { test } from 'tap'
import { Bench, bytes, commandPacket } from './sequencer-kit.js'

test('a continued session takes no command before everybody could hear that it is continued', (t) => {
  const first = new Bench().open()
  const source = first.register('p', 1)
  const second = new Bench({ settleUs: 200_000 }).rebuildFrom(first).open()
  t.strictSame(second.states, [['held', 'continued at 3']])
  second.command(commandPacket(source, 1, [{ type: 256, payload: bytes(4) }]))
  second.flush()
  t.equal(second.sequencer.counters['held-packets'], 1)
  t.equal(second.sequencer.state, 'held')
  let wakes = 0
  for (let dueUs = second.tick(); second.sequencer.state === 'held'; dueUs = second.tick()) {
    t.ok(++wakes < 200, 'it ends')
    second.advance(dueUs - second.nowUs)
  }
  t.ok(second.nowUs >= 201_000 && second.nowUs < 212_000, `after ${second.nowUs} us`)
  const told = second.control.filter(({ kind, body }) => kind === 'sequencer' && 'held' in body && body.held)
  t.ok(told.length >= 18, `${told.length} heartbeats`)
  t.match(second.control.at(-1), { body: { held: false, nextSequence: 3, stableSequence: 2 } })
  second.command(commandPacket(source, 1, [{ type: 256, payload: bytes(4) }]))
  second.flush()
  t.equal(second.packets().at(-1)?.sequence, 3)
  const fresh = new Bench({ settleUs: 200_000 }).open()
  t.equal(fresh.sequencer.state, 'open', 'a new session has nobody to tell')
  const voted = new Bench({ voters: ['a'], settleUs: 200_000 }).rebuildFrom(new Bench({ voters: ['a'] }).open()).open(2)
  t.equal(voted.sequencer.state, 'open', 'with voters the epoch tells, and nobody waits')
  t.end()
})
