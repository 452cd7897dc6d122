/** Lets somebody look on at a component's effects: which was begun, for which event, under which key, and which came to its end. */
import type { Component, Effect, EffectAfter, UntypedEffect } from '../component/definition.js'

export interface SeenEffect {
  readonly component: string
  readonly key: string
  /** The event that it is for. */
  readonly session: string
  readonly sequence: number
  readonly name: string
  readonly after: EffectAfter
  /** The payload that it was given, as bytes of the schema. */
  readonly payload: Uint8Array
}

export interface EffectWatcher {
  began(effect: SeenEffect): void
  /** Not of one that failed. */
  ended(effect: SeenEffect): void
}

/** @returns the same component, of which every effect is told */
export function watchEffects(component: Component, watcher: EffectWatcher): Component {
  const watched = (effect: UntypedEffect | undefined): UntypedEffect | undefined =>
    effect === undefined ? undefined : { after: effect.after, run: (seen) => run(component, effect, seen, watcher) }
  return { ...component, effects: component.effects.map(watched) }
}

function run(
  component: Component,
  { after, run: runIt }: UntypedEffect,
  effect: Effect,
  watcher: EffectWatcher,
): unknown {
  const { key, session, sequence, name } = effect
  const payload = component.schema.encode(name, effect.payload).slice()
  const seen: SeenEffect = { component: component.name, key, session, sequence, name, after, payload }
  watcher.began(seen)
  const ending = runIt(effect)
  if (!(ending instanceof Promise)) {
    watcher.ended(seen)
    return ending
  }
  return ending.then(() => watcher.ended(seen))
}
