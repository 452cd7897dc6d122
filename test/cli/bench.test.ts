/** `seqcast bench NAME`: each runs in short on real LMDB and real processes, prints what the page is made of, and cleans up. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { test } from 'tap'
import { stage } from '../fixtures/processes.js'

const json = (line: string | undefined): Record<string, unknown> => JSON.parse(line ?? '{}')

test('store: durable events a second, and its histogram', async (t) => {
  const { path, run } = await stage(t)
  const flags = ['--events', '20000', '--rounds', '1', '--dir', path('data'), '--out', path('out'), '--json']
  const { lines, status } = await run(['bench', 'store', ...flags])
  t.equal(status, 0)
  t.match(json(lines[0]), {
    bench: 'store',
    bytes: 64,
    datagram: 1400,
    lost: 0,
    eventsPerSecond: Number,
    measured: Object,
  })
  t.ok(existsSync(path('out/store.hgrm')) && existsSync(path('out/store.hlog')))
  t.strictSame(readdirSync(path('data')), [], 'what it recorded is removed')
})

test('rewind: both ways and both codecs', async (t) => {
  const { run } = await stage(t)
  const { lines, status } = await run(['bench', 'rewind', '--events', '20000', '--rounds', '1', '--json'])
  t.equal(status, 0)
  const seen = lines.map((line) => json(line)).map(({ way, codec, lost }) => `${way} ${codec} ${lost}`)
  t.strictSame(seen.sort(), ['local fixed 0', 'local protobuf 0', 'tcp fixed 0', 'tcp protobuf 0'])
})

test('rtt: a voter, two standbys, and the floor beside it', async (t) => {
  const { path, run } = await stage(t)
  mkdirSync(path('out'))
  const flags = ['--messages', '100', '--rounds', '1', '--out', path('out'), '--json']
  const { lines, status } = await run(['bench', 'rtt', ...flags])
  t.equal(status, 0)
  t.match(json(lines[0]), { bench: 'rtt', idle: 'block', standbys: 2, rounds: 1, ratio: { p50: Number, p99: Number } })
  for (const file of ['rtt.hgrm', 'rtt.hlog', 'rtt-floor.hgrm', 'rtt-floor.hlog'])
    t.ok(existsSync(path(`out/${file}`)), file)
})
