/** What a person reads: log lines, durations, the events of the runtime. */
import { test } from 'tap'
import { LatencyHistogram } from '../../src/cli/latency.js'
import { textOf } from '../../src/cli/logger.js'
import { durationText, plural } from '../../src/cli/output.js'
import { problemsOf } from '../../src/cli/status-problems.js'
import { EventFormatter, typeNamed } from '../../src/cli/tail-format.js'
import { EVENT_HEADER_BYTES, WHOLE_MESSAGE, writeCommandHeader } from '../../src/wire/event.js'
import { SOURCE_REGISTERED, sourceRegisteredCodec, TICK } from '../../src/wire/runtime-events.js'

test('log lines', (t) => {
  const text = (fields: object): string => textOf(JSON.stringify({ level: 30, time: 0, ...fields }))
  t.equal(text({ name: 'a', msg: 'store: recording', voter: '' }), '00:00:00.000 info  a: store: recording voter=""\n')
  t.equal(text({ name: 'sequencer', msg: 'sequencer: session open' }), '00:00:00.000 info  sequencer: session open\n')
  t.equal(
    text({ name: 'sequencer', msg: 'sequencer', from: 'open', to: 'held', reason: 'window full', n: 7 }),
    '00:00:00.000 info  sequencer is held (window full) n=7\n',
  )
  t.equal(text({ name: 'x', msg: 'm', why: 'two words' }), '00:00:00.000 info  x: m why="two words"\n')
  t.end()
})

test('figures', (t) => {
  t.strictSame([durationText(999), durationText(1_500), durationText(2_000_000)], ['999 us', '1.5 ms', '2,000 ms'])
  t.strictSame([plural(1, 'event'), plural(1_000, 'event')], ['1 event', '1,000 events'])
  const latency = new LatencyHistogram()
  t.match(latency.summary(), { count: 0, p50: 0, max: 0 })
  latency.record(1234.5678)
  const { p50, 'p99.9': tail, max } = latency.summary()
  t.ok(p50 <= max && tail <= max, 'no quantile is above the largest value')
  t.ok(Number.isInteger(max))
  t.end()
})

function event(type: number, source: number, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(EVENT_HEADER_BYTES + payload.length)
  writeCommandHeader(bytes, 0, type, source, 1, WHOLE_MESSAGE)
  bytes.set(payload, EVENT_HEADER_BYTES)
  return bytes
}

test('tail', (t) => {
  const everything = { type: undefined, source: undefined, all: false }
  const registered = sourceRegisteredCodec.encode({
    ...{ name: 'counter', nonce: 1, exclusive: false, component: 'counter', schemaHash: 'x'.repeat(64) },
    ...{ source: 3, closes: 0 },
  })
  const stream = [event(SOURCE_REGISTERED, 0, registered), event(TICK, 0), event(300, 3), event(300, 4)]
  const shown = (filter: object): string[] => {
    const formatter = new EventFormatter(undefined, false, { ...everything, ...filter })
    return stream.map((bytes, i) => formatter.line(i + 1, bytes, 0, bytes.length)).filter((line) => line !== '')
  }
  const [first, second, third] = shown({})
  t.match(first, /^ +1 .* sequencer#1 +SourceRegistered {2}source 3 is counter\n$/)
  t.match(second, /^ +3 .* counter#1 +type 300/, 'the source by its name, and no tick')
  t.match(third, /^ +4 .* 4#1 +type 300/, 'a source that the stream has not told of')
  t.equal(shown({ all: true }).length, 4)
  t.equal(shown({ type: TICK }).length, 1)
  t.strictSame([shown({ source: 'counter' }).length, shown({ source: '4' }).length], [1, 1])
  t.equal(typeNamed('Tick', undefined), TICK)
  t.throws(() => typeNamed('Tack', undefined), { code: 'E_USAGE' })
  const json = new EventFormatter(undefined, true, everything)
  const line = JSON.parse(json.line(1, stream[0] ?? new Uint8Array(0), 0, stream[0]?.length ?? 0))
  t.match(line, { sequence: 1, timeNs: '0000', sourceName: 'sequencer', payload: { source: 3 } })
  t.end()
})

test('problems that a live session rarely has', (t) => {
  const sequencer = {
    ...{
      epoch: 1,
      nextSequence: 30_001,
      stableSequence: 30_000,
      publishedIsStable: false,
      epochTable: [],
      state: 'open',
      held: false,
    },
    ...{ requestPort: 1, counters: {} },
  }
  const store = {
    ...{ name: 's', voter: '', epoch: 1, durableSequence: 10_000, committedSequence: 10_000, requestPort: 1 },
    ...{ rewindPort: 1, state: 'rewinding', counters: { 'lost-events': 2 }, promised: 0, lastEpoch: 1 },
  }
  const component = {
    ...{ component: 'c', instance: 'a', state: 'failed', reason: 'a handler threw', term: 1, nextSequence: 1 },
    ...{ digestSequence: 0, digest: new Uint8Array(0), outboxCommands: 0, counters: {} },
  }
  const heard = {
    sequencers: new Map([[1, sequencer]]),
    stores: new Map([['s', store]]),
    components: new Map([['c/a', component]]),
  }
  t.strictSame(problemsOf({ heard, stableBefore: 30_000, voters: [] }), [
    'store s is 20,000 events behind',
    'store s has lost 2 events',
    'c has no active replica; start one with: seqcast run MODULE',
    'c/a has failed: a handler threw',
  ])
  const held = { ...sequencer, held: true, stableSequence: 29_822 }
  const stuck = { heard: { ...heard, sequencers: new Map([[1, held]]) }, stableBefore: 29_822, voters: ['s1'] }
  t.equal(problemsOf(stuck)[0], 'sequencer is held: voter s1 is not heard, 178 events are not stable')
  t.end()
})
