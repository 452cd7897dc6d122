/** Latency histograms, and what a report shows of them. */
import { build, type Histogram } from 'hdr-histogram-js'

export interface Quantiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly 'p99.9': number
  readonly 'p99.99': number
  readonly max: number
}

const HIGHEST_NS = 60e9

/** Nanoseconds, three digits. Sized once: the default would resize in the hot path, and small counts would wrap. */
export function createHistogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_NS,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32,
    autoResize: false,
  })
}

export function recordUs(histogram: Histogram, latencyUs: number): void {
  histogram.recordValue(Math.min(HIGHEST_NS, Math.max(0, Math.round(latencyUs * 1000))))
}

/** In microseconds. A value stands for its bucket, whose end may lie above the largest one recorded: that is cut. */
export function quantilesUs(histogram: Histogram): Quantiles {
  const max = histogram.maxValue / 1000
  const at = (percentile: number): number => Math.min(max, histogram.getValueAtPercentile(percentile) / 1000)
  return {
    p50: at(50),
    p90: at(90),
    p99: at(99),
    'p99.9': at(99.9),
    'p99.99': at(99.99),
    max,
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** Rounds of floor and measurement in turn, because the machine drifts; the ratio is the median of the rounds' ratios. */
export interface Rounds {
  readonly floor: Quantiles
  readonly measured: Quantiles
  readonly ratio: { readonly p50: number; readonly p99: number }
}

export function summarise(rounds: readonly { floor: Quantiles; measured: Quantiles }[]): Rounds {
  const over = (side: 'floor' | 'measured', key: keyof Quantiles): number =>
    median(rounds.map((round) => round[side][key]))
  const all = (side: 'floor' | 'measured'): Quantiles => ({
    p50: over(side, 'p50'),
    p90: over(side, 'p90'),
    p99: over(side, 'p99'),
    'p99.9': over(side, 'p99.9'),
    'p99.99': over(side, 'p99.99'),
    max: over(side, 'max'),
  })
  const ratio = (key: 'p50' | 'p99'): number => median(rounds.map((round) => round.measured[key] / round.floor[key]))
  return { floor: all('floor'), measured: all('measured'), ratio: { p50: ratio('p50'), p99: ratio('p99') } }
}

export function quantileTable(rows: Readonly<Record<string, Quantiles>>): string {
  const header = ['us', 'p50', 'p90', 'p99', 'p99.9', 'p99.99', 'max']
  const body = Object.entries(rows).map(([name, q]) => [
    name,
    ...[q.p50, q.p90, q.p99, q['p99.9'], q['p99.99'], q.max].map((value) => value.toFixed(1)),
  ])
  const widths = header.map((title, i) => Math.max(title.length, ...body.map((row) => (row[i] ?? '').length)))
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ')
  return [header, ...body].map(line).join('\n')
}
