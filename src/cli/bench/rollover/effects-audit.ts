/**
 * Whether each effect was owed from its event on, over every end of a session, until it was done: closed once, and seen outside
 * under the one key that it had from the beginning.
 */
import type { EffectDone, EffectOwed } from '../../../wire/runtime-events.js'
import type { ChainEvent } from './chain-reader.js'

interface Known {
  /** Who it is about, to hold what was seen outside against it. */
  readonly subject: string
  closed: number
  seen: number
}

export interface EffectsReport {
  readonly effects: number
  /** Owed by a session to the next one. */
  readonly owed: number
  /** Done more than once, each time under the same key. */
  readonly repeated: number
  readonly problems: readonly string[]
}

const KEPT_PROBLEMS = 20

export class EffectsAudit {
  readonly #known = new Map<string, Known>()
  /** Of the session: what its events of these sequences owe. */
  #bySequence = new Map<number, Known>()
  /** Of the sessions before: what is not closed. */
  #awaited = new Map<string, Known>()
  readonly #problems: string[] = []
  #owed = 0

  begin(): void {
    this.#bySequence = new Map()
    this.#awaited = new Map([...this.#known].filter(([, { closed }]) => closed === 0))
  }

  /** The session is open: what was owed has been said. */
  opened({ session }: { readonly session: string }): void {
    for (const key of this.#awaited.keys())
      this.#problem(`${session}: the effect ${key} was owed, and is not carried over`)
  }

  /** An event that has an effect. */
  onEvent({ session, sequence, epoch }: ChainEvent, subject: string): void {
    const key = `${session}/${sequence}/0${epoch > 1 ? `/${epoch}` : ''}`
    const known = { subject, closed: 0, seen: 0 }
    this.#known.set(key, known)
    this.#bySequence.set(sequence, known)
  }

  onOwed({ session, sequence }: ChainEvent, { key }: EffectOwed): void {
    this.#owed += 1
    const known = this.#awaited.get(key)
    if (known === undefined) this.#problem(`${session}: event ${sequence} carries the effect ${key}, which nobody owes`)
    else this.#bySequence.set(sequence, known)
    this.#awaited.delete(key)
  }

  onDone({ session }: ChainEvent, { sequence }: EffectDone): void {
    const known = this.#bySequence.get(sequence)
    if (known === undefined) this.#problem(`${session}: an effect of event ${sequence} is done, which has none`)
    else known.closed += 1
  }

  /** @param seen lines of `KEY SUBJECT …`, as they were written outside */
  report(seen: string): EffectsReport {
    for (const line of seen.split('\n')) {
      if (line === '') continue
      const [key = '', subject = ''] = line.split(' ')
      const known = this.#known.get(key)
      if (known?.subject === subject) known.seen += 1
      else this.#problem(`${line}: this key is of ${known?.subject ?? 'no effect'}`)
    }
    for (const [key, { closed, seen: times }] of this.#known) {
      if (times === 0) this.#problem(`the effect ${key} was never seen outside`)
      if (closed !== 1) this.#problem(`the effect ${key} is closed ${closed} times`)
    }
    const repeated = [...this.#known.values()].filter(({ seen: times }) => times > 1).length
    return { effects: this.#known.size, owed: this.#owed, repeated, problems: this.#problems }
  }

  #problem(what: string): void {
    if (this.#problems.length < KEPT_PROBLEMS) this.#problems.push(what)
  }
}
