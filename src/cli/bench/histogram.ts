/** Latency histograms of the benches: quantiles for a report, and the files that other tools plot. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build, type Histogram, HistogramLogWriter } from 'hdr-histogram-js'

export interface Quantiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly 'p99.9': number
  readonly 'p99.99': number
  readonly max: number
}

const HIGHEST_NS = 60e9
const NS_PER_US = 1_000

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
  histogram.recordValue(Math.min(HIGHEST_NS, Math.max(0, Math.round(latencyUs * NS_PER_US))))
}

/** In microseconds. A value stands for its bucket, whose end may lie above the largest one recorded: that is cut. */
export function quantilesUs(histogram: Histogram): Quantiles {
  const max = histogram.maxValue / NS_PER_US
  const at = (percentile: number): number => Math.min(max, histogram.getValueAtPercentile(percentile) / NS_PER_US)
  return {
    p50: at(50),
    p90: at(90),
    p99: at(99),
    'p99.9': at(99.9),
    'p99.99': at(99.99),
    max,
  }
}

export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** Each quantile's median over the rounds. */
export function medianQuantiles(rounds: readonly Quantiles[]): Quantiles {
  const over = (key: keyof Quantiles): number => medianOf(rounds.map((round) => round[key]))
  return {
    p50: over('p50'),
    p90: over('p90'),
    p99: over('p99'),
    'p99.9': over('p99.9'),
    'p99.99': over('p99.99'),
    max: over('max'),
  }
}

export const QUANTILE_HEADER = ['us', 'p50', 'p90', 'p99', 'p99.9', 'p99.99', 'max'] as const

export function quantileRow(name: string, q: Quantiles): string[] {
  return [name, ...[q.p50, q.p90, q.p99, q['p99.9'], q['p99.99'], q.max].map((value) => value.toFixed(1))]
}

/** Writes NAME.hgrm (a percentile distribution in microseconds) and NAME.hlog (the histogram itself) to a directory that is there. @returns the paths */
export function writeHistogram(directory: string, name: string, histogram: Histogram, startMs: number): string[] {
  const hgrm = join(directory, `${name}.hgrm`)
  const hlog = join(directory, `${name}.hlog`)
  writeFileSync(hgrm, histogram.outputPercentileDistribution(5, NS_PER_US))
  let text = ''
  const writer = new HistogramLogWriter((part) => {
    text += part
  })
  writer.outputLogFormatVersion()
  writer.outputStartTime(startMs)
  writer.outputLegend()
  histogram.startTimeStampMsec = startMs
  histogram.endTimeStampMsec = Date.now()
  writer.outputIntervalHistogram(histogram, undefined, undefined, NS_PER_US * 1_000)
  writeFileSync(hlog, text)
  return [hgrm, hlog]
}
