/**
 * Many runs, one seed after the other: the public face of the simulation. With nothing else given it works on the workload that
 * comes with it; a user's own components take its place, and run on the same network and through the same faults.
 */
import { addCounts, type Exercised, missing } from './exercise.js'
import type { FinalState, SimObserver } from './observer.js'
import type { SimClient, SimComponent } from './parts.js'
import { type RunContext, type RunOptions, type RunParts, type RunReport, runOnce } from './run.js'
import type { Fault } from './schedule.js'
import { shrink } from './shrink.js'
import { judgesOf, STANDARD_COMPONENTS, standardParts, unjudged } from './standard-parts.js'

export interface SimulateOptions {
  /** The first seed; each run takes the next one. Equal seeds give equal runs. A safe integer, at most 2^36. */
  readonly seed: number
  /** How many runs; default 1. */
  readonly runs?: number
  /** What is simulated, besides sequencers and stores; default: a workload that comes with the simulation. */
  readonly components?: readonly SimComponent[]
  /**
   * True: in some of the runs an operator has the session go on in another one, in the midst of faults. Every component has to carry its
   * state over (`seed`). Default: with the workload that comes with the simulation, and not with your own components.
   */
  readonly rolls?: boolean
  /** Sources of commands that are no components. */
  readonly clients?: readonly SimClient[]
  /** Who looks on, made for each run, besides the checkers of the guarantees: throw a `Violation` where something is wrong. */
  readonly observers?: (context: RunContext) => readonly SimObserver[]
  /** Asked at rest: what is still missing, in words; `undefined` ends the run. */
  readonly unfinished?: (final: FinalState) => string | undefined
  /** Played instead of what the seed draws; an empty list is a run without faults. */
  readonly faults?: readonly Fault[]
  /** Only these entries of the schedule, by index. */
  readonly only?: readonly number[]
  /** Runs that may be spent on making the schedule of a failure smaller; default 100. 0: it is left as it is. */
  readonly shrinkTries?: number
  /** Told of each run when it is over, after `onFailure`; false ends the batch. */
  readonly onRun?: (report: RunReport) => boolean
  /** Told of a run that broke a guarantee, with its schedule made small. */
  readonly onFailure?: (failure: SimFailure) => void
  /** Given a call that fails the run that begins now: for what surfaces elsewhere, as a rejection that nobody handles. */
  readonly onStart?: (seed: number, fail: (error: unknown) => void) => void
  /** Gets a line for everything that happens. */
  readonly trace?: (line: string) => void
}

/** A run that broke a guarantee. */
export interface SimFailure {
  readonly report: RunReport
  /** The entries of the schedule that are enough for it, by index, and the run with only these. */
  readonly only: readonly number[]
  readonly minimised: RunReport
  readonly shrinkTries: number
}

export interface SimulateReport {
  readonly firstSeed: number
  readonly runs: number
  readonly failures: readonly SimFailure[]
  /** How often each thing was met, over all runs. */
  readonly exercised: Exercised
  /** What a batch of the standard workload has to meet, and did not. */
  readonly missing: readonly string[]
  readonly events: number
  readonly virtualUs: number
}

const SHRINK_TRIES = 100

/** Runs seeds one after the other. A broken guarantee is in the report, and is no exception. */
export async function simulate(options: SimulateOptions): Promise<SimulateReport> {
  const { seed, runs = 1 } = options
  if (!Number.isSafeInteger(seed) || seed < 0 || seed > 2 ** 36)
    throw new RangeError(`seed ${seed}: a whole number, at most 2^36`)
  const failures: SimFailure[] = []
  const exercised: Exercised = {}
  const totals = { runs: 0, events: 0, virtualUs: 0 }
  for (let at = 0; at < runs; at++) {
    const run = runOptions(options, seed + at)
    const report = await runOnce(run)
    totals.runs++
    totals.events += report.events
    totals.virtualUs += report.virtualUs
    addCounts(exercised, report.exercised)
    if (report.violation !== undefined) {
      const failure = await minimise(run, report, options.shrinkTries ?? SHRINK_TRIES)
      failures.push(failure)
      options.onFailure?.(failure)
    }
    if (options.onRun?.(report) === false) break
  }
  return { firstSeed: seed, ...totals, failures, exercised, missing: missing(exercised) }
}

function runOptions(options: SimulateOptions, seed: number): RunOptions {
  const { faults, only, trace, onStart } = options
  return {
    seed,
    rolls: options.rolls ?? options.components === undefined,
    components: options.components ?? STANDARD_COMPONENTS,
    parts: (context) => partsOf(options, context),
    ...(faults === undefined ? {} : { faults }),
    ...(only === undefined ? {} : { only }),
    ...(trace === undefined ? {} : { trace }),
    ...(onStart === undefined ? {} : { started: (fail) => onStart(seed, fail) }),
  }
}

function partsOf(options: SimulateOptions, context: RunContext): RunParts {
  const more = options.observers?.(context) ?? []
  const { components, clients, unfinished } = options
  if (components === undefined) {
    const parts = standardParts(context)
    return { ...parts, observers: [...parts.observers, ...more] }
  }
  const judges = judgesOf(context, components)
  return {
    components,
    clients: clients ?? [],
    observers: [...judges.observers, ...more],
    unfinished: (final) => unfinished?.(final) ?? unjudged(judges, final),
    hasBegun: () => judges.hasBegun(),
    counts: () => judges.counts(),
  }
}

/** Leaves out what is not needed for the same guarantee to break. */
async function minimise(run: RunOptions, report: RunReport, maxTries: number): Promise<SimFailure> {
  const all = run.only ?? report.faults.map((_fault, at) => at)
  let minimised = report
  const { entries, tries } = await shrink(
    all,
    async (only) => {
      const { trace: _silent, ...quiet } = run
      const again = await runOnce({ ...quiet, only })
      const fails = again.violation?.guarantee === report.violation?.guarantee
      if (fails) minimised = again
      return fails
    },
    maxTries,
  )
  return { report, only: entries, minimised, shrinkTries: tries }
}
