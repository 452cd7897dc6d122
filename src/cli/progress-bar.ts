/** A bar for long work: on a terminal only, on stderr, so that stdout stays the result's. */
import { SingleBar } from 'cli-progress'
import { count } from './output.js'

export interface ProgressBar {
  update(done: number): void
  stop(): void
}

const NO_BAR: ProgressBar = { update: () => {}, stop: () => {} }

/** @param quiet true for machines: no bar at all */
export function startProgress(what: string, unit: string, total: number, quiet: boolean): ProgressBar {
  if (quiet || process.stderr.isTTY !== true || total === 0) return NO_BAR
  const bar = new SingleBar({
    stream: process.stderr,
    format: `${what}  {bar}  {percentage} %  {value}/{total} ${unit}`,
    barCompleteChar: '#',
    barIncompleteChar: '.',
    hideCursor: true,
    clearOnComplete: true,
    formatValue: (value, _options, type) => (type === 'percentage' ? String(value) : count(value)),
    stopOnComplete: false,
  })
  bar.start(total, 0)
  return { update: (done) => bar.update(Math.min(done, total)), stop: () => bar.stop() }
}

/** A bar that comes with the first word of progress: for work that is mostly short. */
export function lazyProgress(what: string, unit: string, total: number, quiet: boolean): ProgressBar {
  let bar: ProgressBar | undefined
  return {
    update: (done) => {
      bar ??= startProgress(what, unit, total, quiet)
      bar.update(done)
    },
    stop: () => bar?.stop(),
  }
}
