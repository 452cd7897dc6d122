/** `seqcast bench NAME`: each runs in short on real LMDB and real processes, prints what the page is made of, and cleans up. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { test } from 'tap'
import { createHistogram, quantilesUs, recordUs } from '../../src/cli/bench/histogram.js'
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

test('a path or a size that can’t work is refused before anything runs', async (t) => {
  const { path, run } = await stage(t)
  writeFileSync(path('file'), '')
  for (const flags of [
    ['store', '--dir', 'file'],
    ['rewind', '--dir', 'file/below'],
    ['store', '--out', '/proc/nobody/writes/here'],
    ['rtt', '--out', 'file'],
  ]) {
    const result = await run(['bench', ...flags])
    t.strictSame([result.status, result.code], [1, 'E_FILE'], flags.join(' '))
    t.match(
      result.stderr,
      new RegExp(`^error E_FILE: ${flags.slice(1).join(' ')} can't be written: .*\\n  name a directory`),
    )
    t.equal(result.stderr.split('\n').length, 3, 'no stack')
  }
  for (const name of ['store', 'rtt']) {
    const large = await run(['bench', name, '--bytes', '5000'])
    t.strictSame([large.status, large.code], [2, 'E_CONFIG'], name)
    t.match(large.stderr, /--bytes 5000 does not fit .* --datagram 1400, .* 1342\n.*raise --datagram to 5058/)
  }
})

test('quantiles of a histogram don’t pass its maximum', (t) => {
  const histogram = createHistogram()
  for (const us of [1, 2, 3_476.818]) recordUs(histogram, us)
  const quantiles = quantilesUs(histogram)
  t.strictSame([quantiles['p99.99'], quantiles.max], [3_476.818, 3_476.818])
  t.end()
})
