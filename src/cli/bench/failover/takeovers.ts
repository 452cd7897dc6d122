/** Collects what each takeover has cost. */
import type { Histogram } from 'hdr-histogram-js'
import type { Outstanding } from './load-ledger.js'
import type { FailoverResult, Spread, TakeoverLine } from './report.js'
import { Values } from './spread.js'
import type { Takeover } from './watch.js'

export class Takeovers {
  readonly #detection = new Values()
  readonly #published = new Values()
  readonly #stable = new Values()
  readonly #pause = new Values()
  readonly #backPublished = new Values()
  readonly #backStable = new Values()
  readonly #outstandingPublished: number[] = []
  readonly #outstandingStable: number[] = []

  get count(): number {
    return this.#outstandingPublished.length
  }

  /** Distributions, by the name of their file. */
  get histograms(): [name: string, histogram: Histogram][] {
    return [
      ['detection', this.#detection.histogram],
      ['published', this.#published.histogram],
      ['stable', this.#stable.histogram],
      ['pause', this.#pause.histogram],
      ['back-published', this.#backPublished.histogram],
      ['back-stable', this.#backStable.histogram],
    ]
  }

  add(number: number, epoch: number, takeover: Takeover, outstanding: Outstanding): TakeoverLine {
    const sinceMs = (us: number): number => (us - takeover.atUs) / 1_000
    const claimedMs = sinceMs(takeover.claimedUs)
    const publishedMs = sinceMs(takeover.publishedUs)
    const stableMs = sinceMs(takeover.stableUs)
    const pauseMs = (takeover.publishedUs - takeover.lastBeforeUs) / 1_000
    this.#detection.add(claimedMs)
    this.#published.add(publishedMs)
    this.#stable.add(stableMs)
    this.#pause.add(pauseMs)
    this.#backPublished.addAll(outstanding.published)
    this.#backStable.addAll(outstanding.stable)
    this.#outstandingPublished.push(outstanding.published.length)
    this.#outstandingStable.push(outstanding.stable.length)
    return {
      ...{ bench: 'failover', takeover: number, epoch, claimedMs, publishedMs, stableMs, pauseMs },
      outstandingPublished: outstanding.published.length,
      outstandingStable: outstanding.stable.length,
    }
  }

  summary(): Pick<FailoverResult, 'detectionMs' | 'pauseMs' | 'published' | 'stable'> {
    return {
      detectionMs: this.#detection.spread(),
      pauseMs: this.#pause.spread(),
      published: {
        takeoverMs: this.#published.spread(),
        outstanding: Takeovers.counts(this.#outstandingPublished),
        backMs: this.#backPublished.spread(),
      },
      stable: {
        takeoverMs: this.#stable.spread(),
        outstanding: Takeovers.counts(this.#outstandingStable),
        backMs: this.#backStable.spread(),
      },
    }
  }

  /** Of exact counts. */
  static counts(values: readonly number[]): Spread {
    const sorted = [...values].sort((a, b) => a - b)
    const at = (part: number): number => sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0
    return { count: sorted.length, min: sorted[0] ?? 0, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) }
  }
}
