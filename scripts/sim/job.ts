/** One of the processes that share a batch: makes the runs that it is given, one after the other. */
import type { RunReport } from '../../src/sim/run.js'
import { type SimFailure, type SimulateOptions, simulate } from '../../src/sim/simulate.js'

export type ToJob =
  | { readonly kind: 'run'; readonly options: Pick<SimulateOptions, 'seed' | 'faults' | 'only' | 'shrinkTries'> }
  | { readonly kind: 'end' }

export type FromJob =
  | { readonly kind: 'ready' }
  | { readonly kind: 'run'; readonly report: RunReport }
  | { readonly kind: 'failure'; readonly failure: SimFailure }

let failNow: (error: unknown) => void = () => {}
process.on('unhandledRejection', (error) => failNow(error))
process.on('message', (message: ToJob) => {
  if (message.kind === 'end') process.disconnect()
  else void run(message.options)
})
say({ kind: 'ready' })

async function run(options: SimulateOptions): Promise<void> {
  let report: RunReport | undefined
  await simulate({
    ...options,
    onRun: (done) => {
      report = done
      return true
    },
    onFailure: (failure) => say({ kind: 'failure', failure }),
    onStart: (_seed, fail) => {
      failNow = fail
    },
  })
  if (report !== undefined) say({ kind: 'run', report })
}

function say(message: FromJob): void {
  // Whoever wanted the runs may be gone: there is nobody to tell it to.
  process.send?.(message, undefined, undefined, (error) => {
    if (error !== null) process.exit(1)
  })
}
