/**
 * Every scenario runs, in short, and prints the one line that the page of benchmarks is made of. No figure is judged here:
 * what a machine does is no test.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'

const QUANTILES = ['p50', 'p90', 'p99', 'p99.9', 'p99.99', 'max']
const SHORT = ['--rounds', '1', '--messages', '200', '--json']

type Line = Readonly<Record<string, unknown>>

function run(scenario: string, flags: readonly string[]): { lines: Line[]; stderr: string; status: number | null } {
  const path = fileURLToPath(new URL(`../../native-free-bench/${scenario}.js`, import.meta.url))
  const env = { ...process.env, NODE_OPTIONS: '' }
  const { stdout, stderr, status } = spawnSync(process.execPath, [path, ...flags], { env, encoding: 'utf8' })
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'))
  return { lines: lines.map((line) => JSON.parse(line)), stderr, status }
}

function one(scenario: string, flags: readonly string[]): Line {
  const { lines, stderr, status } = run(scenario, flags)
  const [line] = lines
  if (line === undefined || status !== 0) throw new Error(`${scenario} ${flags.join(' ')}: status ${status}\n${stderr}`)
  return line
}

const numbers = (value: unknown, names: readonly string[]): boolean =>
  typeof value === 'object' && value !== null && names.every((name) => typeof Reflect.get(value, name) === 'number')

for (const idle of ['spin', 'block'] as const) {
  test(`rtt, ${idle}: floor, measured, ratio, and both histograms as files`, (t) => {
    const out = mkdtempSync(join(tmpdir(), 'seqcast-test-'))
    t.teardown(() => rmSync(out, { recursive: true, force: true }))
    const line = one('rtt', [...SHORT, '--idle', idle, '--bytes', '32', '--standbys', '1', '--out', out])
    t.match(line, { bench: 'rtt', idle, bytes: 32, datagram: 1400, rounds: 1, standbys: 1, behind: 0 })
    t.ok(numbers(line.floor, QUANTILES))
    t.ok(numbers(line.measured, QUANTILES))
    t.ok(numbers(line.ratio, ['p50', 'p99']))
    for (const name of [`rtt-${idle}-32-standbys-1`, `rtt-${idle}-32-standbys-1-floor`]) {
      for (const ending of ['hgrm', 'hlog']) t.ok(existsSync(join(out, `${name}.${ending}`)), `${name}.${ending}`)
    }
    t.end()
  })
}

test('floor', (t) => {
  const line = one('floor', SHORT)
  t.match(line, { bench: 'floor', bytes: 64 })
  t.ok(numbers(line.floor, QUANTILES))
  t.end()
})

test('throughput counts what it has checked, and loses nothing', (t) => {
  const line = one('throughput', [...SHORT, '--datagram', '8972'])
  t.match(line, { bench: 'throughput', bytes: 64, datagram: 8972, lost: 0, events: Number, eventsPerSecond: Number })
  t.ok(Number(line.events) > 0)
  t.end()
})

test('throughput-embedded', (t) => {
  t.match(one('throughput-embedded', SHORT), { bench: 'throughput-embedded', lost: 0, eventsPerSecond: Number })
  t.end()
})

test('load: one line for each rate, with loss and gaps', (t) => {
  const { lines } = run('load', [...SHORT])
  t.ok(lines.length >= 1)
  for (const line of lines)
    t.match(line, { bench: 'load', lost: Number, gaps: Number, floor: Object, measured: Object })
  t.end()
})

test('rewind and codec: one line for each codec', (t) => {
  for (const scenario of ['rewind', 'codec']) {
    const { lines } = run(scenario, SHORT)
    t.strictSame(lines.map(({ codec }) => codec).sort(), ['fixed', 'protobuf'], scenario)
  }
  t.end()
})

test('soak and idle tell what a process takes', (t) => {
  const soak = one('soak', [...SHORT, '--events', '1000'])
  t.match(soak, { bench: 'soak', lost: 0, earlyRssBytes: Number, lateRssBytes: Number, collections: Number })
  const idle = one('idle', [...SHORT, '--seconds', '1'])
  t.ok(numbers(idle.cpuMsPerSecond, ['floor', 'sequencer', 'store', 'active', 'standby']))
  t.end()
})

test('peers: floor and runtime are always there, and who is missing is named', (t) => {
  const line = one('peers', [...SHORT, '--stored', '100'])
  t.match(line, { bench: 'peers', peers: { floor: Object, seqcast: Object } })
  const named = Object.keys(Object(line.peers)).join() + String(line.missing)
  for (const server of ['NATS', 'Redis']) t.match(named.toLowerCase(), server.toLowerCase())
  t.end()
})

test('a flag that makes no sense ends with a message and no figure', (t) => {
  const wrong: [string[], number, RegExp][] = [
    [['--idle', 'doze'], 2, /^error E_CONFIG: --idle is "doze", and must be spin or block\n/],
    [['--datagram', '1'], 2, /^error E_CONFIG: --datagram is "1", and must be a whole number from 256 to 65507\n/],
    [['--rounds', 'x'], 2, /^error E_CONFIG: --rounds is "x", and must be a whole number from 1 to 1000\n/],
    [['--nothing'], 2, /^error E_USAGE: Unknown option '--nothing'\n {2}see npm run bench -- rtt --help\n$/],
    [['word'], 2, /^error E_USAGE: Unexpected argument 'word'\n/],
    [['--bytes', '1343'], 2, /^error E_CONFIG: --bytes 1343 does not fit .* --datagram 1400, .* 1342\n.* 1401\n$/],
    [['--out', process.execPath], 1, /^error E_FILE: --out \S+ can't be written: /],
  ]
  for (const [flags, expected, words] of wrong) {
    const { lines, stderr, status } = run('rtt', flags)
    t.strictSame([status, lines], [expected, []], flags.join(' '))
    t.match(stderr, words)
    t.equal(stderr.split('\n').length, 3, 'what is wrong, what to do, no stack')
  }
  t.end()
})

test('help: of a scenario, and the list of them', (t) => {
  const list = fileURLToPath(new URL('../../../scripts/bench.js', import.meta.url))
  const node = (...args: string[]): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, args, { env: { ...process.env, NODE_OPTIONS: '' }, encoding: 'utf8' })
  const help = node(list, 'rtt', '--help')
  t.equal(help.status, 0)
  t.match(
    help.stdout,
    /^usage: npm run bench -- rtt [\s\S]*--standbys <n> +passive .* \(default: 0\)\n[\s\S]*default: spin/,
  )
  const all = node(list, '--help')
  t.equal(all.status, 0)
  for (const name of ['codec', 'rtt', 'throughput-embedded'])
    t.match(all.stdout, new RegExp(`^ {2}${name} +[A-Z]`, 'm'))
  const unknown = node(list, 'rt')
  t.strictSame([unknown.status, unknown.stdout], [2, ''])
  t.match(unknown.stderr, /^error E_USAGE: there is no scenario 'rt'\nusage: /m)
  t.end()
})
