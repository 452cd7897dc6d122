/**
 * A sequencer that died after it had sequenced the end of the session, and before that was stable: its successor finds the end in the
 * log that it adopts. It makes the end stable, tells everybody, and is done.
 */
import { test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import { EPOCH_OPENED, SESSION_ENDED, sessionEndedCodec } from '../../src/wire/runtime-events.js'
import { Bench, bytes, commandPacket, parse } from './sequencer-kit.js'

const VOTERS = ['a', 'b', 'c']

function endedReign(): Bench {
  const first = new Bench({ voters: VOTERS }).open()
  first.register('s', 1)
  first.sequencer.end('the day is over', first.nowUs, first.wallUs)
  return first
}

test('the end is adopted, becomes stable, and is announced; no command is taken', (t) => {
  const first = endedReign()
  const before = first.events().length
  const second = new Bench({ voters: VOTERS, incarnation: 9 }).rebuildFrom(first).open(2)
  t.equal(second.sequencer.state, 'ending')
  t.match(
    second.events().map(({ type, epoch }) => [type, epoch]),
    [
      [EPOCH_OPENED, 2],
      [SESSION_ENDED, 2],
    ],
    'the end is the last event again',
  )
  const end = sessionEndedCodec.decode(second.events()[1]?.payload ?? new Uint8Array(0))
  t.match(end, { reason: /the day is over/ })
  second.command(commandPacket(1, 1, [{ type: 256, payload: bytes(1) }]))
  second.flush()
  t.equal(second.events().length, 2)
  for (const voter of VOTERS) second.acknowledge(voter, before + 2, 2)
  t.equal(second.sequencer.stableSequence, before + 2)
  for (let i = 0; i < 30 && second.sequencer.state === 'ending'; i++) second.advance(50_000).tick()
  t.strictSame(second.states.at(-1), ['ended', 'all events are stable'])
  const ends = second.sent.map(({ bytes: sent }) => parse(sent)).filter(({ count }) => count === 0xffff)
  t.ok(ends.length > 5)
  t.equal(ends.at(-1)?.sequence, before + 3)
  t.end()
})

test('and again, if that one dies as well', (t) => {
  const first = endedReign()
  const second = new Bench({ voters: VOTERS }).rebuildFrom(first).open(2)
  const third = new Bench({ voters: VOTERS }).rebuildFrom(first).rebuildFrom(second).open(7)
  t.equal(third.sequencer.state, 'ending')
  t.strictSame(third.sequencer.epochTable.at(-1), { epoch: 7, sequence: 6 })
  t.end()
})

test('each line of the log says of which session it is: a process may speak of two', (t) => {
  const lines: Readonly<Record<string, unknown>>[] = []
  const logger = { ...silentLogger, info: (fields: Readonly<Record<string, unknown>>) => lines.push(fields) }
  const bench = new Bench({ logger }).open()
  bench.sequencer.end('the day is over', bench.nowUs, bench.wallUs)
  for (let i = 0; i < 30 && bench.sequencer.state === 'ending'; i++) bench.advance(50_000).tick()
  const states = lines.filter(({ to }) => to !== undefined)
  t.equal(states.at(-1)?.to, 'ended')
  for (const { session } of states) t.equal(session, bench.sequencer.predecessor.session)
  t.end()
})
