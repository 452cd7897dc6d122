/**
 * The judges of a run: the checkers of G1 to G8 over one chronicle. They look on, from outside: at what leaves the processes, at
 * the disks, and at what components are given. What they see is enough to say at every step whether a guarantee is broken;
 * a few things can only be said at the end.
 */
import type { Component } from '../component/definition.js'
import { Annals } from './checkers/annals.js'
import { Chronicle } from './checkers/chronicle.js'
import { Disks } from './checkers/disks.js'
import { OwedEffects } from './checkers/effects.js'
import { checkFinalLogs } from './checkers/final-logs.js'
import { NoFork } from './checkers/no-fork.js'
import { NothingLost } from './checkers/nothing-lost.js'
import { Order } from './checkers/order.js'
import { Passive } from './checkers/passive.js'
import { SameState } from './checkers/same-state.js'
import { Sources } from './checkers/sources.js'
import type { FinalState, SimObserver } from './observer.js'

export interface JudgesOptions {
  readonly session: string
  readonly voters: readonly string[]
  /** For the replay at the end: a fresh component whose input and effects are not run. */
  readonly components: readonly { readonly name: string; readonly create: () => Component }[]
}

export interface Judges {
  /** To be told everything, in this order. */
  readonly observers: readonly SimObserver[]
  readonly chronicle: Chronicle
  /** Stable events whose effect is not known to be done. */
  effectsOwed(): number
  counts(): Record<string, number>
}

export function createJudges({ session, voters, components }: JudgesOptions): Judges {
  const chronicle = new Chronicle(session)
  const disks = new Disks(chronicle)
  const nothingLost = new NothingLost(chronicle, disks, voters)
  const order = new Order(chronicle)
  const sources = new Sources()
  const fresh = components.map(({ create }) => create())
  const hotHot = fresh.filter((component) => component.hotHot).map(({ name }) => name)
  const passive = new Passive(new Set(hotHot))
  const owed = new OwedEffects(chronicle, fresh, (node, sequence) => order.epochGiven(node, sequence))
  const state = new SameState(chronicle)
  chronicle.tell(passive)
  chronicle.tell(nothingLost)
  chronicle.tell(new NoFork(chronicle))
  chronicle.tell(new Annals())
  chronicle.tell(sources)
  chronicle.tell(owed)
  chronicle.tell(state)
  const finish: SimObserver = {
    converged: (final: FinalState) => {
      checkFinalLogs(chronicle, final)
      order.finish(final.hosts, chronicle.stableSequence)
      owed.finish()
      state.finish(session, new Map(components.map(({ name, create }) => [name, create])), final.hosts)
    },
  }
  return {
    // What was sent is known before anybody can have it.
    observers: [
      { sent: (process, stream, bytes, nowUs) => chronicle.sent(process, stream, bytes, nowUs) },
      nothingLost,
      disks,
      order,
      sources,
      passive,
      owed,
      state,
      finish,
    ],
    chronicle,
    effectsOwed: () => owed.open,
    counts: () => ({ effectsRepeated: owed.repeated }),
  }
}
