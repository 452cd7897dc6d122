/** Shares the seeds of a batch among processes: job J of N takes every Nth seed, so that a batch that ends early has no holes. */
import { fork } from 'node:child_process'
import { addCounts, missing } from '../../src/sim/exercise.js'
import type { RunReport } from '../../src/sim/run.js'
import type { SimFailure, SimulateOptions, SimulateReport } from '../../src/sim/simulate.js'
import type { FromJob, ToJob } from './job.js'

/** A run leaves little behind: with room for the young, hardly anything is moved. A tenth faster. */
const YOUNG = '--max-semi-space-size=64'

/** As `simulate`, in so many processes. */
export async function simulateInJobs(options: SimulateOptions, jobs: number): Promise<SimulateReport> {
  const { seed, runs = 1, faults, only, shrinkTries, onRun, onFailure } = options
  const failures: SimFailure[] = []
  const exercised: Record<string, number> = {}
  const totals = { runs: 0, events: 0, virtualUs: 0 }
  let next = seed
  let isOver = false
  const take = (): ToJob => {
    if (isOver || next >= seed + runs) return { kind: 'end' }
    return { kind: 'run', options: { seed: next++, ...given({ faults, only, shrinkTries }) } }
  }
  const onReport = (report: RunReport): void => {
    totals.runs++
    totals.events += report.events
    totals.virtualUs += report.virtualUs
    addCounts(exercised, report.exercised)
    if (onRun?.(report) === false) isOver = true
  }
  await Promise.all(
    Array.from({ length: jobs }, async () => {
      const child = fork(new URL('./job.js', import.meta.url), { execArgv: [...process.execArgv, YOUNG] })
      child.on('message', (message: FromJob) => {
        if (message.kind === 'failure') {
          failures.push(message.failure)
          onFailure?.(message.failure)
        } else {
          if (message.kind === 'run') onReport(message.report)
          child.send(take())
        }
      })
      const code = await new Promise<number | null>((resolve) => child.once('exit', resolve))
      if (code !== 0) throw new Error(`a job ended with ${code}`)
    }),
  )
  return { firstSeed: seed, ...totals, failures, exercised, missing: missing(exercised) }
}

function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
