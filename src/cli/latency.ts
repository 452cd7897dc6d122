/**
 * Latency histograms: high dynamic range, nanoseconds, three digits. Sized once, because the default resizes in the hot path
 * and its small counts wrap.
 */
import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js'

const HIGHEST_NS = 60e9

export interface LatencySummary {
  readonly count: number
  /** Microseconds, as all below. */
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly 'p99.9': number
  readonly max: number
}

export class LatencyHistogram {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_NS,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32,
    autoResize: false,
  })

  record(latencyUs: number): void {
    this.#histogram.recordValue(Math.min(HIGHEST_NS, Math.max(0, Math.round(latencyUs * 1000))))
  }

  /** Adds what another process has recorded. */
  addEncoded(base64: string): void {
    this.#histogram.add(decodeFromCompressedBase64(base64))
  }

  encode(): string {
    return encodeIntoCompressedBase64(this.#histogram)
  }

  get count(): number {
    return this.#histogram.totalCount
  }

  summary(): LatencySummary {
    const count = this.#histogram.totalCount
    const maxNs = count === 0 ? 0 : this.#histogram.maxValue
    // A quantile is the upper end of its bucket, which may lie above the largest value.
    const at = (percentile: number): number =>
      roundedUs(Math.min(maxNs, this.#histogram.getValueAtPercentile(percentile)))
    return { count, p50: at(50), p90: at(90), p99: at(99), 'p99.9': at(99.9), max: roundedUs(maxNs) }
  }
}

/** Whole microseconds, with a tenth where it counts. */
function roundedUs(valueNs: number): number {
  return valueNs < 100_000 ? Math.round(valueNs / 100) / 10 : Math.round(valueNs / 1000)
}
