/**
 * How far the failover bench is: steps and bars for a person, on stderr; a line for each takeover for a machine, so that a long
 * run that is broken off has left something.
 */
import { dim, print } from '../../output.js'
import { type ProgressBar, startProgress } from '../../progress-bar.js'
import type { TakeoverLine } from './report.js'

export interface FailoverProgress {
  step(what: string): void
  /** A long step, and how far it is. */
  begin(what: string, unit: string, total: number): void
  update(done: number): void
  takeover(line: TakeoverLine): void
  end(): void
}

export function createFailoverProgress(json: boolean): FailoverProgress {
  let bar: ProgressBar | undefined
  const end = (): void => {
    bar?.stop()
    bar = undefined
  }
  return {
    step(what) {
      end()
      if (!json) process.stderr.write(`${dim(what)}\n`)
    },
    begin(what, unit, total) {
      end()
      bar = startProgress(what, unit, total, json)
    },
    update: (done) => bar?.update(done),
    takeover(line) {
      if (json) print(true, line, () => '')
    },
    end,
  }
}
