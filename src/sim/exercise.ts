/**
 * Counts what a run has exercised. A simulation that never met a rival reign has proved nothing about rival reigns: a batch
 * that leaves one of the required counters at zero has failed.
 */
import type { SimLogLevel, SimObserver, SimProcess } from './observer.js'

/** What every batch must have met. */
export const REQUIRED = [
  'claims',
  'reigns',
  'rivalReigns',
  'stepDowns',
  'truncations',
  'tailsAdopted',
  'revokedEvents',
  'emptyVotersRecovered',
  'effectsRepeated',
  'rewinds',
  'sessionsRolled',
  'seedEvents',
  'effectsCarried',
  'commandsCarried',
  'inputCarried',
] as const

export type Exercised = Record<string, number>

export class Exercise implements SimObserver {
  readonly #counts: Exercised = {
    claims: 0,
    reigns: 0,
    rivalReigns: 0,
    stepDowns: 0,
    tailsAdopted: 0,
    truncations: 0,
    revokedEvents: 0,
    revocations: 0,
    emptyVotersRecovered: 0,
    rewinds: 0,
    activations: 0,
    outboxesRevoked: 0,
    inputCarried: 0,
    wentAhead: 0,
    wentBack: 0,
    restarts: 0,
  }
  /** Those that reign, as they say it themselves, by node: in which session. */
  readonly #reigning = new Map<string, string>()
  readonly #nextSequence = new Map<string, number>()
  /** Those that somebody has reigned in. */
  readonly #sessions = new Set<string>()
  /** By session. */
  readonly #stableSequence = new Map<string, number>()

  counts(): Exercised {
    return this.#counts
  }

  started(process: SimProcess): void {
    if (process.start > 1) this.#add('restarts')
    this.#nextSequence.delete(process.node)
  }

  stopped(process: SimProcess, how: 'killed' | 'failed', error: Error | undefined): void {
    this.#reigning.delete(process.node)
    if (how === 'failed') this.#add(`failed ${codeOf(error)}`)
  }

  fault(kind: string): void {
    this.#add(`fault ${kind}`)
  }

  truncated(): void {
    this.#add('truncations')
  }

  stable({ session }: SimProcess, stableSequence: number): void {
    if (stableSequence > this.#stableOf(session)) this.#stableSequence.set(session, stableSequence)
  }

  began(process: SimProcess): void {
    this.#nextSequence.delete(process.node)
  }

  delivered(process: SimProcess, sequence: number, count: number): void {
    this.#nextSequence.set(process.node, sequence + count)
  }

  revoked(process: SimProcess, fromSequence: number): void {
    this.#add('revocations')
    const next = this.#nextSequence.get(process.node) ?? fromSequence
    this.#add('revokedEvents', Math.max(0, next - fromSequence))
    this.#nextSequence.delete(process.node)
  }

  hostState(_process: SimProcess, state: string): void {
    if (state === 'active') this.#add('activations')
  }

  logged(process: SimProcess, _level: SimLogLevel, fields: Readonly<Record<string, unknown>>, message: string): void {
    switch (message) {
      case 'reign':
        if (fields.to === 'claiming') this.#add('claims')
        break
      case 'sequencer: session open':
        this.#onReign(process.node, String(fields.session), fields.nextSequence)
        break
      case 'sequencer: stepped down':
        this.#reigning.delete(process.node)
        this.#add('stepDowns')
        break
      case 'voter':
        if (fields.from === 'recovering' && fields.to === 'voting') this.#add('emptyVotersRecovered')
        break
      case 'rewind: connecting':
        this.#add('rewinds')
        break
      case `component: goes on in session ${String(fields.session)}`:
        this.#onNextSession(fields)
        break
      case 'outbox: revoked':
        this.#add('outboxesRevoked')
        break
    }
  }

  #onNextSession({ outside, reason }: Readonly<Record<string, unknown>>): void {
    if (typeof outside === 'number') this.#add('inputCarried', outside)
    // It has no state of the session before: that is over, or it is not known what was carried over from it.
    else if (typeof reason === 'string') this.#add(reason.startsWith('the seed') ? 'wentBack' : 'wentAhead')
  }

  #stableOf(session: string): number {
    return this.#stableSequence.get(session) ?? 0
  }

  #onReign(node: string, session: string, nextSequence: unknown): void {
    this.#add('reigns')
    if ([...this.#reigning].some(([other, its]) => other !== node && its === session)) this.#add('rivalReigns')
    this.#reigning.set(node, session)
    const isFirst = !this.#sessions.has(session)
    this.#sessions.add(session)
    // Before the opening event there was something that nobody knew to be stable.
    if (!isFirst && typeof nextSequence === 'number' && nextSequence - 2 > this.#stableOf(session))
      this.#add('tailsAdopted')
  }

  #add(what: string, count = 1): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + count
  }
}

export function addCounts(into: Exercised, counts: Readonly<Exercised>): void {
  for (const [what, count] of Object.entries(counts)) into[what] = (into[what] ?? 0) + count
}

/** Those of the required that were never met. */
export function missing(counts: Readonly<Exercised>): string[] {
  return REQUIRED.filter((what) => (counts[what] ?? 0) === 0)
}

function codeOf(error: Error | undefined): string {
  if (error === undefined) return 'without an error'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
