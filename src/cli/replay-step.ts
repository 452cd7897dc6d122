/**
 * `seqcast replay --step` and `--break`: through a recording by hand. On a terminal it asks at each stop; without one it takes its orders
 * from standard input, a line each, or runs to the first breakpoint where there is no --step.
 */
import { createInterface } from 'node:readline'
import { SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import { type PlayedComponent, Player } from '../replay/player.js'
import { Stepper } from '../replay/stepper.js'
import type { LmdbLogReader } from '../store/lmdb-log-reader.js'
import type { Configuration } from './configuration.js'
import { lazyProgress, type ProgressBar } from './progress-bar.js'
import type { Range } from './range.js'
import { breakpointsOf, type Stops } from './replay-stops.js'
import { StepConsole } from './step-console.js'

export interface StepJob {
  readonly log: LmdbLogReader
  /** The components at the newest place to begin that is not after an event. */
  readonly begin: (atMost: number) => Promise<PlayedComponent[]>
  readonly range: Range
  readonly stops: Stops
  readonly configuration: Configuration
  readonly logger: Logger
}

const MAX_CHANGES = 50

/** @throws SeqcastError what a component failed of, where nobody is there to look at it */
export async function stepThrough(job: StepJob): Promise<void> {
  const { range, stops, configuration, log } = job
  const isAsking = process.stdin.isTTY === true
  const { json, session, path } = configuration
  const bar = repeatedBar(`replaying ${session}`, range.to, json)
  const open = (sequence: number): Promise<Stepper> => openStepper(job, sequence, bar)
  const options = { log, range, json, session, path, open, isAsking, barOver: () => bar.stop() }
  const console = new StepConsole(options, await open(range.from - 1))
  if (!stops.step) await console.toBreakpoint()
  if (!stops.step && !isAsking) {
    console.close()
    return
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: isAsking, prompt: '' })
  const ask = (): void => {
    if (!isAsking) return
    lines.setPrompt(console.prompt)
    lines.prompt()
  }
  console.begin()
  ask()
  for await (const line of lines) {
    if (!(await obey(console, line, isAsking))) break
    ask()
  }
  lines.close()
  console.close()
}

/** A bar for each piece of work that takes long enough. */
function repeatedBar(what: string, total: number, quiet: boolean): ProgressBar {
  let bar = lazyProgress(what, 'events', total, quiet)
  return {
    update: (done) => bar.update(done),
    stop: () => {
      bar.stop()
      bar = lazyProgress(what, 'events', total, quiet)
    },
  }
}

/** On a terminal a word that is wrong, and a component that fails, are told and do not end it. @returns false at the end */
async function obey(console: StepConsole, line: string, isAsking: boolean): Promise<boolean> {
  try {
    return await console.obey(line.trim())
  } catch (error) {
    if (!isAsking || !(error instanceof SeqcastError)) throw error
    process.stderr.write(`${error.code}: ${error.message}\n${error.hint === undefined ? '' : `  ${error.hint}\n`}`)
    return true
  }
}

/** A stepper that has played up to an event. */
async function openStepper(job: StepJob, at: number, bar: ProgressBar): Promise<Stepper> {
  const { log, begin, range, stops, configuration, logger } = job
  const { session, guard = true } = configuration
  const components = await begin(at)
  const stepper = new Stepper({
    createPlayer: (onCommand) =>
      new Player({
        ...{ session, log, guard, logger },
        components: components.map((played) => ({
          ...played,
          observer: { command: (_sequence, type, payload) => onCommand(played.component.name, type, payload) },
        })),
      }),
    toSequence: range.to,
    breakpoints: breakpointsOf(
      stops,
      components.map(({ component }) => component.schema),
    ),
    maxChanges: MAX_CHANGES,
    progress: (sequence) => bar.update(sequence),
  })
  if (stepper.player.next <= at) await stepper.goTo(at)
  return stepper
}
