/** A sequencer that goes on behind what was delivered is noticed also where nobody heard the one before it. */
import { test } from 'tap'
import { SequencerWatch } from '../../src/protocol/sequencer-watch.js'

test('again and again less than what was delivered is behind; late heartbeats are not', (t) => {
  const watch = new SequencerWatch()
  const verdicts = Array.from({ length: 10 }, (_, i) => watch.onHeartbeat(7, 1, 90, 100, i * 10_000))
  t.strictSame(verdicts, [...new Array<string>(8).fill('current'), 'behind', 'behind'])

  const busy = new SequencerWatch()
  for (let i = 0; i < 1_000; i++) {
    t.equal(busy.onHeartbeat(7, 1, 100 + i * 50, 160 + i * 50, i * 1_000), 'current', 'always read after newer events')
  }
  const stalled = new SequencerWatch()
  for (const [i, announced] of [85, 90, 95, 130].entries()) {
    t.equal(stalled.onHeartbeat(7, 1, announced, 100, i === 0 ? 0 : 500_000), 'current', 'the process stood still')
  }
  t.end()
})

test('only a silence of sequencer and stream puts in doubt what waits', (t) => {
  const watch = new SequencerWatch()
  watch.onEvents(1, 1_000_000)
  watch.onHeartbeat(7, 1, 5, 5, 1_200_000)
  t.equal(watch.onEvents(5, 1_400_000), false, 'the sequencer was heard meanwhile')
  t.equal(watch.onEvents(5, 1_500_000), false)
  t.equal(watch.onEvents(5, 1_800_000), true)
  t.end()
})
