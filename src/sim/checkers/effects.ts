/**
 * G8, second half: every effect that the stable stream owes to the outside world is begun at least once, under one key that means this
 * event and no other; one that waits for stability is begun for a stable event only; each is closed by one `EffectDone`,
 * which comes after it was done, in its session or in a later one, which says that it is owed. One that did not wait, and ran for an event that is no more, is told by its key.
 */
import type { Component } from '../../component/definition.js'
import type { SimObserver, SimProcess } from '../observer.js'
import { Violation } from '../violation.js'
import type { SeenEffect } from '../watch-effects.js'
import type { Chronicle, Reader } from './chronicle.js'
import {
  type Done,
  EFFECT_DONE,
  EFFECT_OWED,
  FIRST_APPLICATION_TYPE,
  readCarriedEffect,
  readEffectDone,
  readSeeded,
  SEED_DONE,
} from './messages.js'
import { equalBytes, readEvent } from './reading.js'

/** An effect that was begun or done, and for an event of which epoch; 0 where that is not known. */
interface Run extends SeenEffect {
  readonly epoch: number
}

interface Owed {
  readonly component: string
  readonly session: string
  readonly sequence: number
  readonly epoch: number
  readonly type: number
  readonly payload: Uint8Array
  isClosed: boolean
  /** Later sessions that say that it is owed. */
  readonly carriedInto: Set<string>
}

/** Under which number a later session knows an effect. */
interface Carried {
  readonly owed: Owed
  /** Of the event that says that it is owed. */
  readonly epoch: number
}

export class OwedEffects implements SimObserver, Reader {
  readonly #chronicleOf: (session: string) => Chronicle
  /** By component: the types of events that have an effect. */
  readonly #types = new Map<string, ReadonlySet<number>>()
  /** By component, session and sequence, of stable events. */
  readonly #owed = new Map<string, Owed>()
  readonly #carried = new Map<string, Carried>()
  /** What was begun, and what was done, by component, session and sequence. */
  readonly #begun = new Map<string, Run[]>()
  readonly #done = new Map<string, Run[]>()
  /** By process: what it has begun after `published`, and has not said to be revoked. */
  readonly #atRisk = new Map<string, Map<string, Run>>()
  /** What each key stands for. */
  readonly #keys = new Map<string, Run>()
  #open = 0
  #repeated = 0

  readonly #epochGiven: (session: string, node: string, sequence: number) => number

  /** @param epochGiven of the event that a node was given under a number; 0 where that is not known */
  constructor(
    chronicleOf: (session: string) => Chronicle,
    components: readonly Component[],
    epochGiven: (session: string, node: string, sequence: number) => number,
  ) {
    this.#chronicleOf = chronicleOf
    this.#epochGiven = epochGiven
    for (const { name, effects } of components) {
      const types = effects.flatMap((effect, type) => (effect === undefined ? [] : [type]))
      if (types.length > 0) this.#types.set(name, new Set(types))
    }
  }

  /** Stable events whose effect is not known to be done. */
  get open(): number {
    return this.#open
  }

  /** How often a later session said that one is owed. */
  get carried(): number {
    return this.#carried.size
  }

  /** How often one was begun again. */
  get repeated(): number {
    return this.#repeated
  }

  effectBegan(process: SimProcess, seen: SeenEffect): void {
    const effect = this.#runOf(process, seen)
    const known = this.#keys.get(effect.key)
    if (known === undefined) this.#keys.set(effect.key, effect)
    else if (known.session !== effect.session || known.sequence !== effect.sequence || !isOf(known, effect)) {
      throw new Violation(
        'G8',
        `one key for two effects: ${process.node} runs the effect of another event ${effect.sequence} (${effect.name}) ` +
          `under ${effect.key}`,
      )
    }
    if (effect.after === 'stable') this.#requireStable(process, effect)
    else this.#risked(process).set(effect.key, effect)
    if (add(this.#begun, idOf(effect), effect) > 1) this.#repeated++
  }

  effectRevoked(process: SimProcess, key: string): void {
    if (!this.#risked(process).delete(key)) {
      throw new Violation('G8', `told wrongly: ${process.node} says that ${key} is revoked, and has not begun it`)
    }
  }

  /** Who dies tells nothing any more. */
  stopped(process: SimProcess): void {
    this.#atRisk.delete(process.node)
  }

  effectEnded(_process: SimProcess, effect: SeenEffect): void {
    // The event may be revoked by now: what was begun is done.
    add(this.#done, idOf(effect), { ...effect, epoch: this.#keys.get(effect.key)?.epoch ?? 0 })
  }

  stableEvent(sequence: number, event: Uint8Array, session: string): void {
    const { type, payload, epoch } = readEvent(event)
    if (type === EFFECT_DONE) this.#close(session, sequence, payload)
    else if (type === EFFECT_OWED) this.#carry(session, sequence, epoch, payload)
    else if (type === SEED_DONE) this.#requireAll(session, readSeeded(payload).component)
    if (type < FIRST_APPLICATION_TYPE) return
    for (const [component, types] of this.#types) {
      if (!types.has(type)) continue
      const event = { component, session, sequence, epoch, type, payload }
      this.#owed.set(idOf(event), { ...event, isClosed: false, carriedInto: new Set() })
      this.#open++
    }
  }

  /** A session says that an effect of an earlier one is owed. */
  #carry(session: string, sequence: number, epoch: number, payload: Uint8Array): void {
    const said = readCarriedEffect(payload)
    const owed = this.#owed.get(idOf(said))
    const what = `event ${sequence} of ${session} carries over ${said.key}`
    if (owed === undefined || owed.type !== said.type || !equalBytes(owed.payload, said.payload)) {
      throw new Violation('G8', `an effect of nothing is carried over: ${what}, which no event of ${said.session} owes`)
    }
    if (owed.isClosed) throw new Violation('G8', `an effect that is closed is carried over: ${what}`)
    if (owed.carriedInto.has(session)) throw new Violation('G3', `an effect is carried over twice: ${what} again`)
    const runs = this.#begun.get(idOf(owed)) ?? []
    if (runs.some((run) => isOf(run, owed) && run.key !== said.key)) {
      throw new Violation('G8', `two keys for one effect: ${what}, and it has run under another`)
    }
    owed.carriedInto.add(session)
    this.#carried.set(idOf({ component: said.component, session, sequence }), { owed, epoch })
  }

  /** A component has said with what it begins a session: with all that it owes. */
  #requireAll(session: string, component: string): void {
    for (const owed of this.#owed.values()) {
      if (owed.component !== component || owed.isClosed || owed.session === session) continue
      if (owed.carriedInto.has(session)) continue
      throw new Violation('G8', `an effect is forgotten: ${idOf(owed)} is owed, and ${session} begins without it`)
    }
  }

  /** At the end nothing is owed any more, and what ran for nothing was told. */
  finish(): void {
    for (const [node, effects] of this.#atRisk) {
      for (const effect of effects.values()) {
        if (this.#isForStable(effect)) continue
        throw new Violation(
          'G8',
          `silent about a revoked effect: ${node} ran ${effect.key}, and its event is not in the stream`,
        )
      }
    }
    for (const [id, owed] of this.#owed) {
      const runs = (this.#begun.get(id) ?? []).filter((effect) => isOf(effect, owed))
      if (runs.length === 0) throw new Violation('G8', `an effect was never begun: ${id}`)
      const [first] = runs
      if (runs.some(({ key }) => key !== first?.key)) {
        throw new Violation('G8', `two keys for one effect: ${id} ran under ${runs.map(({ key }) => key).join(', ')}`)
      }
      if (!owed.isClosed) throw new Violation('G8', `an effect is not closed: no EffectDone of ${id} is in the stream`)
    }
  }

  #risked({ node }: SimProcess): Map<string, Run> {
    let effects = this.#atRisk.get(node)
    if (effects === undefined) {
      effects = new Map()
      this.#atRisk.set(node, effects)
    }
    return effects
  }

  #requireStable(process: SimProcess, effect: Run): void {
    if (this.#isForStable(effect)) return
    const isStable = effect.sequence <= this.#chronicleOf(effect.session).stableSequence
    const why = isStable ? 'is another one in the stable stream' : 'is not stable'
    throw new Violation(
      'G8',
      `an effect before stability: ${process.node} runs ${effect.key} (${effect.name}, after 'stable') for an event that ${why}`,
    )
  }

  #isForStable(effect: Run): boolean {
    const event = this.#chronicleOf(effect.session).stableEvent(effect.sequence)
    return event !== undefined && isOf(effect, readEvent(event))
  }

  #runOf(process: SimProcess, effect: SeenEffect): Run {
    return { ...effect, epoch: this.#epochGiven(effect.session, process.node, effect.sequence) }
  }

  #close(session: string, sequence: number, payload: Uint8Array): void {
    const done = readEffectDone(payload)
    const carried = this.#carried.get(idOf({ ...done, session }))
    const owed = carried?.owed ?? this.#owed.get(idOf({ ...done, session }))
    const epoch = carried?.epoch ?? owed?.epoch
    const what = `event ${sequence} of ${session} closes ${done.component}/${done.sequence}`
    if (owed === undefined || (done.epoch !== 0 && epoch !== done.epoch)) {
      // It may tell of an event of that number that is no more; but somebody has begun it.
      if (this.#isBegun(session, done)) return
      throw new Violation('G8', `an EffectDone of nothing: ${what} of epoch ${done.epoch}, which nobody has begun`)
    }
    if (owed.isClosed) throw new Violation('G8', `an effect is closed twice: ${what} again`)
    if (!(this.#done.get(idOf(owed)) ?? []).some((effect) => isOf(effect, owed))) {
      throw new Violation('G8', `an effect is closed and was not done: ${what}`)
    }
    owed.isClosed = true
    this.#open--
  }

  #isBegun(session: string, done: Done): boolean {
    const event = this.#chronicleOf(session).eventOf(done.epoch, done.sequence)
    const fields = event === undefined ? undefined : readEvent(event)
    const origin = fields?.type === EFFECT_OWED ? readCarriedEffect(fields.payload) : undefined
    const begun = this.#begun.get(idOf(origin ?? { ...done, session })) ?? []
    return origin !== undefined
      ? begun.length > 0
      : begun.some(({ epoch }) => epoch === 0 || done.epoch === 0 || epoch === done.epoch)
  }
}

/** An event has its number once on each branch; there the same payload may have another epoch of birth. */
function isOf(effect: Run, event: { readonly epoch: number; readonly payload: Uint8Array }): boolean {
  const isBorn = effect.epoch === 0 || event.epoch === 0 || effect.epoch === event.epoch
  return isBorn && equalBytes(effect.payload, event.payload)
}

function idOf({ component, session, sequence }: Pick<Owed, 'component' | 'session' | 'sequence'>): string {
  return `${component}/${session}/${sequence}`
}

function add<V>(lists: Map<string, V[]>, key: string, value: V): number {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
  return list?.length ?? 1
}
