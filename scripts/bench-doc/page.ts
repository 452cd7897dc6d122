/** docs/BENCHMARKS.md out of results: what must be reached, then every scenario with its figures, plots and commands. */
import type { Quantiles, Result, Run } from './results.js'
import { TARGETS } from './targets.js'

export interface Picture {
  readonly file: string
  readonly title: string
}

const QUANTILES: readonly (keyof Quantiles)[] = ['p50', 'p90', 'p99', 'p99.9', 'p99.99', 'max']

/** @param findings what people have found out, in Markdown; kept as it is */
export function page({ machine, results }: Run, pictures: readonly Picture[], findings: string): string {
  const { date, commit, node, system, processor, processors, memoryGb } = machine
  return [
    '# Benchmarks',
    '',
    '<!-- Written by `npm run bench-doc`: change scripts/bench-doc and docs/benchmarks/findings.md instead. -->',
    '',
    `One machine, ${processors} processors (${processor}), ${memoryGb} GB, ${system}, Node ${node}, commit ${commit}, ${date} UTC. ` +
      'All of it runs on loopback. Other work on the machine disturbs the tails most, then the rates, the medians least; ratios to the ' +
      'floor, which is measured in turns with everything, disturb each other least of all.',
    '',
    '`npm run bench-doc` runs everything and writes this page; `npm run bench-doc -- --short` takes a few minutes; ' +
      '`npm run bench-doc -- --from docs/benchmarks/results.jsonl` only writes it again.',
    '',
    '## What must be reached',
    '',
    ...table(
      ['what', 'must reach', 'here', ''],
      TARGETS.map(({ what, must, judge }) => {
        const verdict = judge(results)
        return [
          what,
          must,
          verdict?.measured ?? 'not measured',
          verdict === undefined ? '' : verdict.reached ? 'yes' : 'no',
        ]
      }),
    ),
    '',
    '`block` can beat its floor: the floor really sleeps between two messages and pays for being woken, while `block` looks 50 us longer for the ' +
      'answer to what it has sent, and so is awake when the answer comes soon. Where commands come rarely it sleeps too, and pays for waking up as the floor does.',
    '',
    'That nothing is allocated for an event is a test: `npm test hot-path` drives a million events through each machine.',
    '',
    ...latencies(results),
    ...pictures.flatMap(({ file, title }) => [`![${title}](benchmarks/${file})`, '']),
    ...rates(results),
    ...peers(results),
    ...others(results),
    findings.trim(),
    '',
    '## Commands',
    '',
    '```',
    ...new Set(results.map(({ command }) => (command.startsWith('seqcast ') ? `npx ${command}` : command))),
    '```',
    '',
  ].join('\n')
}

function latencies(results: readonly Result[]): string[] {
  const rows = results
    .filter((result) => result.measured !== undefined || result.bench === 'floor')
    .flatMap((result) => {
      const { floor, measured, ratio } = result
      const cells = floor === undefined ? [] : [[label(result), 'floor', ...quantiles(floor), '']]
      if (measured === undefined) return cells
      const ratios = ratio === undefined ? '' : `${fixed(ratio.p50)} · ${fixed(ratio.p99)}`
      const first = floor === undefined ? label(result) : ''
      return [...cells, [first, 'measured', ...quantiles(measured), ratios]]
    })
  if (rows.length === 0) return []
  const header = ['latency in microseconds', '', ...QUANTILES, 'ratio, median of the rounds, p50 · p99']
  return [
    '## Latency',
    '',
    'Each figure is the median of the rounds. So is a ratio: the median of the ratios that the rounds had, not the ratio of the two rows.',
    '',
    ...table(header, rows),
    '',
    ...(results.some(({ bench }) => bench === 'store')
      ? [
          '`seqcast bench store` appends as fast as it may: its latency is from the append of a packet to its being durable behind a full queue ' +
            'of 8,192 packets, and so the time that the queue takes, not that of one write.',
          '',
        ]
      : []),
  ]
}

function rates(results: readonly Result[]): string[] {
  const rows = results
    .filter((result) => result.eventsPerSecond !== undefined)
    .map((result) => [label(result), number(result.eventsPerSecond), `${result.lost ?? 0}`, `${result.gaps ?? 0}`])
  return rows.length === 0 ? [] : ['## Rates', '', ...table(['scenario', 'events a second', 'lost', 'gaps'], rows), '']
}

function peers(results: readonly Result[]): string[] {
  return results
    .filter((result) => result.peers !== undefined)
    .flatMap((result) => [
      '## Peers beside it',
      '',
      `The same payload of ${result.bytes} bytes, one in flight, in turns in one run. NATS answers from another process; JetStream and Redis have ` +
        'stored the message, JetStream without waiting for a sync and Redis with one each second; seqcast has put it in one order for all.',
      '',
      ...table(
        ['latency in microseconds', ...QUANTILES],
        Object.entries(result.peers ?? {}).map(([name, values]) => [name, ...quantiles(values)]),
      ),
      '',
      ...table(
        ['', 'stored and acknowledged, a second', 'read again, a second'],
        Object.entries(result.rates ?? {}).map(([name, { stored, replayed }]) => [
          name,
          number(stored),
          number(replayed),
        ]),
      ),
      '',
      ...(result.missing ?? []).map((program) => `${program} was not on the machine.\n`),
    ])
}

/** Scenarios whose figures are their own: every field that is not in a table above. */
function others(results: readonly Result[]): string[] {
  const shown = new Set(['rtt', 'load', 'throughput', 'throughput-embedded', 'peers', 'floor', 'store', 'rewind'])
  const names = [...new Set(results.map((result) => result.bench))].filter((name) => !shown.has(name))
  return names.flatMap((name) => {
    const columns = results.filter(({ bench }) => bench === name).map((result) => new Map(fieldsOf(result)))
    const fields = [...new Set(columns.flatMap((column) => [...column.keys()]))]
    const rows = fields.map((field) => [field, ...columns.map((column) => column.get(field) ?? '')])
    return [`## ${name}`, '', ...table(['field', ...columns.map(() => 'value')], rows), '']
  })
}

function fieldsOf(result: Result): (readonly [name: string, value: string])[] {
  const inTables = ['bench', 'command', 'floor', 'measured', 'ratio']
  const own = Object.entries(result).filter(([name]) => !inTables.includes(name))
  return own.flatMap(([name, value]) => flat(name, value))
}

function flat(name: string, value: unknown): (readonly [name: string, value: string])[] {
  if (typeof value !== 'object' || value === null) {
    return [[name, typeof value === 'number' ? Number(value.toPrecision(5)).toLocaleString('en-US') : String(value)]]
  }
  return Object.entries(value).flatMap(([key, inner]) => flat(`${name} ${key}`, inner))
}

function label(result: Result): string {
  const { bench, idle, bytes, datagram, standbys, way, codec, command } = result
  const parts = [
    command.startsWith('seqcast ') ? `seqcast bench ${bench}` : bench,
    idle,
    way,
    codec,
    bytes === undefined ? undefined : `${number(bytes)} bytes`,
    datagram === undefined || datagram === 1400 ? undefined : `datagrams of ${number(datagram)}`,
    standbys === undefined || standbys === 0 ? undefined : `${standbys} standbys`,
    bench === 'load' ? `${number(result.eventsPerSecond)} a second` : undefined,
  ]
  return parts.filter((part) => part !== undefined).join(', ')
}

function quantiles(values: Quantiles): string[] {
  return QUANTILES.map((key) => {
    const value = values[key]
    if (Number.isNaN(value)) return '-'
    // Records from before quantiles were cut at the maximum hold the end of its bucket.
    const shown = Math.min(value, values.max)
    return shown.toLocaleString('en-US', { maximumFractionDigits: shown < 100 ? 1 : 0 })
  })
}

function fixed(value: number): string {
  return Number.isNaN(value) ? '-' : value.toFixed(2)
}

function number(value: number | undefined): string {
  return Math.round(value ?? 0).toLocaleString('en-US')
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(header), line(header.map(() => '---')), ...rows.map(line)]
}
