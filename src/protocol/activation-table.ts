/**
 * Which replica of each component is active, in which term, as the stream says; and which processes were heard of lately, so
 * that an operator can name an instance without knowing its incarnation.
 */
import type { ComponentStatus } from '../wire/control.js'
import type { Activated, Passivated } from '../wire/runtime-events.js'

/** A component's process, as it is named when it is made active. */
export interface Replica {
  readonly component: string
  readonly instance: string
  readonly incarnation: number
}

export interface Activation {
  readonly term: number
  /** The replica that is active; undefined while none is. */
  readonly active: { readonly instance: string; readonly incarnation: number } | undefined
  /** An operator has taken it out of service. */
  readonly isRetired: boolean
  /** The event that says so. */
  readonly sequence: number
}

interface Heard {
  readonly incarnation: number
  readonly state: string
  readonly heardUs: number
}

const NEVER_ACTIVE: Activation = { term: 0, active: undefined, isRetired: false, sequence: 0 }
/** Processes remembered; the one that was silent longest is forgotten first. */
const MAX_HEARD = 4_096
/** A process that was silent for so long is not activated by name. */
const HEARD_FOR_US = 5_000_000
/** An active replica that was heard within this time, two of its statuses, is there. */
const ACTIVE_FOR_US = 200_000

export class ActivationTable {
  readonly #activations = new Map<string, Activation>()
  readonly #heard = new Map<string, Heard>()
  #retired: string[] = []
  #inService: string[] = []

  of(component: string): Activation {
    return this.#activations.get(component) ?? NEVER_ACTIVE
  }

  /** Whoever is active. */
  active(): Replica[] {
    return [...this.#activations].flatMap(([component, { active }]) =>
      active === undefined ? [] : [{ component, ...active }],
    )
  }

  /** Components that were made passive, and of which nobody is active; not those that are out of service. */
  passive(): string[] {
    return [...this.#activations].flatMap(([component, { active, isRetired }]) =>
      active === undefined && !isRetired ? [component] : [],
    )
  }

  /** Components of which a replica is active. */
  get inService(): string[] {
    return this.#inService
  }

  /** Components that are out of service. */
  get retired(): string[] {
    return this.#retired
  }

  activated(event: Activated, sequence: number): void {
    const { component, instance, incarnation, term } = event
    this.#set(component, { term, active: { instance, incarnation }, isRetired: false, sequence })
  }

  passivated(event: Passivated, sequence: number): void {
    const { component, term, retired: isRetired = false } = event
    this.#set(component, { term, active: undefined, isRetired, sequence })
  }

  #set(component: string, activation: Activation): void {
    this.#activations.set(component, activation)
    const all = [...this.#activations]
    this.#retired = all.flatMap(([name, { isRetired }]) => (isRetired ? [name] : []))
    this.#inService = all.flatMap(([name, { active }]) => (active === undefined ? [] : [name]))
  }

  /** A component's process said how it is. */
  heard(status: ComponentStatus, incarnation: number, nowUs: number): void {
    const key = keyOf(status.component, status.instance)
    this.#heard.delete(key)
    if (this.#heard.size >= MAX_HEARD) this.#forgetOldest()
    this.#heard.set(key, { incarnation, state: status.state, heardUs: nowUs })
  }

  /** The incarnation of the process that goes by this name now, or why there is none that could be activated. */
  incarnationOf(component: string, instance: string, nowUs: number): number | string {
    const heard = this.#heard.get(keyOf(component, instance))
    const name = `instance '${instance}' of component '${component}'`
    if (heard === undefined || nowUs - heard.heardUs > HEARD_FOR_US) return `${name} was not heard of lately`
    if (heard.state === 'failed' || heard.state === 'stopped') return `${name} is ${heard.state}`
    return heard.incarnation
  }

  /** How long ago the active replica said that it is active; undefined where it is not there. */
  activeHeardMs(component: string, nowUs: number): number | undefined {
    const { active } = this.of(component)
    if (active === undefined) return undefined
    const heard = this.#heard.get(keyOf(component, active.instance))
    if (heard?.incarnation !== active.incarnation || heard.state !== 'active') return undefined
    const sinceUs = nowUs - heard.heardUs
    return sinceUs <= ACTIVE_FOR_US ? Math.floor(sinceUs / 1_000) : undefined
  }

  #forgetOldest(): void {
    for (const key of this.#heard.keys()) {
      this.#heard.delete(key)
      return
    }
  }
}

function keyOf(component: string, instance: string): string {
  return JSON.stringify([component, instance])
}
