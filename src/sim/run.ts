/**
 * One simulated run: a system drawn from the seed, a schedule of faults, a workload, and checkers that look on. It ends when the
 * system has come to rest after its faults, or with the first guarantee that was broken.
 */
import { messageOf } from '../core/errors.js'
import type { Prng } from '../core/prng.js'
import { Cluster } from './cluster.js'
import { lookForRest } from './convergence.js'
import { Exercise, type Exercised } from './exercise.js'
import { FaultPlayer } from './fault-player.js'
import { timeText } from './fault-text.js'
import { type FinalState, observeAll, type SimObserver } from './observer.js'
import type { SimClient, SimComponent } from './parts.js'
import { drawRolls, drawSchedule, type Fault } from './schedule.js'
import { FIRST_SESSION } from './session-names.js'
import { describeTopology, drawTopology, type Topology } from './topology.js'
import { type Guarantee, Violation } from './violation.js'
import { World } from './world.js'

/** Faults are played in a span of this length. */
const FAULTS_FROM_US = 100_000
const FAULTS_MIN_US = 1_000_000
const FAULTS_MAX_US = 3_000_000
/** Faults that last longer are healed so long after the last one began. */
const HEAL_AFTER_US = 500_000
/** A system that is not at rest so long after its faults never will be. */
const REST_WITHIN_US = 30_000_000
const LOOK_EVERY_US = 10_000

/** What the workload and the checkers of a run are made with. */
export interface RunContext {
  readonly seed: number
  readonly session: string
  readonly topology: Topology
  /** New work is asked for until then, in virtual microseconds. */
  readonly workUntilUs: number
  readonly world: World
}

/** What a run works on, and who looks on. */
export interface RunParts {
  readonly components: readonly SimComponent[]
  /** Sources of commands that are no components. */
  readonly clients?: readonly SimClient[]
  readonly observers: readonly SimObserver[]
  /** Asked when the system is at rest: what is still missing of the work, in words. */
  unfinished?(final: FinalState): string | undefined
  /** Every component has been active: what one that never was would have said is not carried over. */
  hasBegun?(): boolean
  /** Counters of what was exercised, besides those of the run. */
  counts?(): Exercised
}

export interface RunOptions {
  readonly seed: number
  /** Names and replicas, for the drawing; the parts are made when the world is there. */
  readonly components: readonly { readonly name: string; readonly replicas: number }[]
  readonly parts: (context: RunContext) => RunParts
  /** Sessions may go on in one another, in some of the runs: every component carries its state over. */
  readonly rolls?: boolean
  /** Played instead of what the seed draws. */
  readonly faults?: readonly Fault[]
  /** Only these entries of the schedule, by index. */
  readonly only?: readonly number[]
  /** Given a call that fails the run. */
  readonly started?: (fail: (error: unknown) => void) => void
  /** Gets a line for everything that processes log and faults do. */
  readonly trace?: (line: string) => void
}

export interface RunReport {
  readonly seed: number
  readonly topology: string
  /** The whole schedule, before `only`. */
  readonly faults: readonly Fault[]
  /** What was played, in words. */
  readonly played: readonly string[]
  readonly violation: { readonly guarantee: Guarantee; readonly message: string; readonly atUs: number } | undefined
  readonly exercised: Exercised
  readonly events: number
  readonly virtualUs: number
  readonly steps: number
  /** The same for the same seed: of everything that happened. */
  readonly traceHash: number
}

export async function runOnce(options: RunOptions): Promise<RunReport> {
  const run = new Run(options)
  return await run.play()
}

class Run {
  readonly #options: RunOptions
  readonly #world: World
  readonly #topology: Topology
  readonly #faults: readonly Fault[]
  readonly #faultsEndUs: number
  readonly #exercise = new Exercise()
  #violation: RunReport['violation']
  #final: FinalState | undefined
  #unrest = 'nothing has happened'

  constructor(options: RunOptions) {
    this.#options = options
    this.#world = new World({ seed: options.seed })
    const prng = this.#world.prng('run')
    this.#topology = drawTopology(prng, options.components)
    const toUs = prng.integer(FAULTS_MIN_US, FAULTS_MAX_US)
    this.#faults = options.faults ?? this.#drawFaults(prng, toUs)
    this.#faultsEndUs = Math.max(toUs, ...this.#faults.map(({ atUs }) => atUs)) + HEAL_AFTER_US
  }

  #drawFaults(prng: Prng, toUs: number): Fault[] {
    const span = { fromUs: FAULTS_FROM_US, toUs }
    const faults = drawSchedule(prng, this.#topology, span)
    if (this.#options.rolls !== true) return faults
    // From numbers of their own, and behind the others: what a run without them is, it stays.
    const rolls = drawRolls(this.#world.prng('rolls'), this.#topology, span, faults)
    return [...faults, ...rolls].sort((a, b) => a.atUs - b.atUs)
  }

  async play(): Promise<RunReport> {
    const { seed, only, trace } = this.#options
    const world = this.#world
    const parts = this.#options.parts({
      seed,
      session: FIRST_SESSION,
      topology: this.#topology,
      workUntilUs: this.#faultsEndUs,
      world,
    })
    const observers = [...parts.observers, this.#exercise, ...(trace === undefined ? [] : [tracer(trace)])]
    const observe = observeAll(observers, (thrown) => this.#violate(thrown))
    const cluster = new Cluster({
      world,
      topology: this.#topology,
      session: FIRST_SESSION,
      components: parts.components,
      clients: parts.clients ?? [],
      observe,
      violate: (violation) => this.#violate(violation),
    })
    world.onCrash = (machine, error) => this.#violate(crashOf(machine.name, error))
    const player = new FaultPlayer(world, cluster, observe, this.#faultsEndUs, () => parts.hasBegun?.() ?? true)
    const faults = only === undefined ? this.#faults : this.#faults.filter((_fault, at) => only.includes(at))
    this.#options.started?.((error) => this.#violate(error))
    cluster.start()
    player.play(faults)
    world.at(this.#faultsEndUs, () => {
      observe.faultsOver(world.nowUs)
      world.every(LOOK_EVERY_US, () => this.#look(cluster, parts))
    })
    try {
      const deadlineUs = this.#faultsEndUs + REST_WITHIN_US
      await world.run({ deadlineUs, until: () => this.#violation !== undefined || this.#final !== undefined })
      if (this.#violation === undefined && this.#final === undefined) {
        const boundS = REST_WITHIN_US / 1_000_000
        this.#violate(new Violation('liveness', `not at rest ${boundS} s after the last fault: ${this.#unrest}`))
      }
      if (this.#violation === undefined && this.#final !== undefined) observe.converged(this.#final)
      return this.#report(player, parts)
    } finally {
      world.close()
    }
  }

  #look(cluster: Cluster, parts: RunParts): void {
    const rest = lookForRest(cluster, this.#world.nowUs)
    if (typeof rest === 'string') {
      this.#unrest = rest
      return
    }
    const unfinished = parts.unfinished?.(rest)
    if (unfinished === undefined) this.#final = rest
    else this.#unrest = unfinished
  }

  #violate(thrown: unknown): void {
    if (this.#violation !== undefined) return
    const { guarantee, message } = thrown instanceof Violation ? thrown : crashOf('a checker', thrown)
    this.#violation = { guarantee, message, atUs: this.#world.nowUs }
  }

  #report(player: FaultPlayer, parts: RunParts): RunReport {
    const { nowUs, steps, traceHash } = this.#world
    return {
      seed: this.#options.seed,
      topology: describeTopology(this.#topology),
      faults: this.#faults,
      played: [...player.played],
      violation: this.#violation,
      exercised: { ...this.#exercise.counts(), ...parts.counts?.() },
      events: this.#final?.stableSequence ?? 0,
      virtualUs: nowUs,
      steps,
      traceHash,
    }
  }
}

function crashOf(who: string, thrown: unknown): Violation {
  const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : messageOf(thrown)
  return new Violation('crash', `${who} threw: ${text}`)
}

/** One line for each thing that happens, for people who look for the reason of a failure. */
function tracer(line: (text: string) => void): SimObserver {
  let nowUs = 0
  const say = (atUs: number, who: string, what: string): void => {
    nowUs = atUs
    line(`${timeText(atUs)}  ${who.padEnd(14)} ${what}`)
  }
  return {
    started: (process, atUs) => say(atUs, process.node, `started (${process.start})`),
    stopped: (process, how, error, atUs) =>
      say(atUs, process.node, `${how}${error === undefined ? '' : `: ${error.message}`}`),
    sent: (_process, _stream, _bytes, atUs) => {
      nowUs = atUs
    },
    truncated: (process, from, atUs) => say(atUs, process.node, `truncates from event ${from} on`),
    revoked: (process, from, atUs) => say(atUs, process.node, `events from ${from} on are revoked`),
    hostState: (process, state, reason, atUs) => say(atUs, process.node, `is ${state}: ${reason}`),
    logged: (process, level, fields, message) => {
      if (level !== 'debug') say(nowUs, process.node, `${level}: ${message} ${JSON.stringify(fields)}`)
    },
    fault: (_kind, text, atUs) => say(atUs, 'FAULT', text.trim()),
    faultsOver: (atUs) => say(atUs, 'FAULT', 'all is healed'),
  }
}
