/** Values of all takeovers in one histogram: thousandths, so that milliseconds keep their microseconds. */
import type { Histogram } from 'hdr-histogram-js'
import { createHistogram, recordUs } from '../histogram.js'
import type { Spread } from './report.js'

const PARTS = 1_000
const NS_PER_MS = 1e6

export class Values {
  /** In nanoseconds where the values are milliseconds. */
  readonly histogram: Histogram = createHistogram()

  /** @param value in milliseconds; NaN, for what was not seen, is left out */
  add(value: number): void {
    if (!Number.isNaN(value)) recordUs(this.histogram, value * PARTS)
  }

  addAll(values: readonly number[]): void {
    for (const value of values) this.add(value)
  }

  spread(): Spread {
    return spreadOf(this.histogram)
  }
}

/** @param histogram of nanoseconds @returns milliseconds */
export function spreadOf(histogram: Histogram): Spread {
  const total = histogram.totalCount
  if (total === 0) return { count: 0, min: 0, p50: 0, p90: 0, p99: 0, max: 0 }
  const max = histogram.maxValue
  // A value stands for its bucket, whose end may lie above the largest one recorded.
  const at = (percentile: number): number => rounded(Math.min(max, histogram.getValueAtPercentile(percentile)))
  return {
    count: total,
    min: rounded(histogram.minNonZeroValue),
    p50: at(50),
    p90: at(90),
    p99: at(99),
    max: rounded(max),
  }
}

const rounded = (ns: number): number => Math.round((ns / NS_PER_MS) * 1_000) / 1_000
