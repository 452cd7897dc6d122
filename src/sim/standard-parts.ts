/** The workload and the judges that come with the simulation. */
import type { Component } from '../component/definition.js'
import { createJudges, type Judges } from './auditor.js'
import type { FinalState } from './observer.js'
import { OutsideSource } from './outside-source.js'
import type { SimComponent, SimTime } from './parts.js'
import type { RunContext, RunParts } from './run.js'
import { createWorkload } from './workload.js'

/** The components of the workload; what they do is made for each run. */
export const STANDARD_COMPONENTS = [
  { name: 'gateway', replicas: 2 },
  { name: 'engine', replicas: 2 },
  { name: 'tally', replicas: 2 },
] as const

const REQUESTS_MIN = 15
const REQUESTS_MAX = 60
const FEED_EVERY_US = 80_000

export function standardParts({ session, topology, workUntilUs, world }: RunContext): RunParts {
  const prng = world.prng('workload')
  const requests = prng.integer(REQUESTS_MIN, REQUESTS_MAX)
  const workload = createWorkload(prng, { requests, spanUs: workUntilUs })
  const judges = judgesOf({ session, topology }, workload.components)
  const { model } = workload
  judges.tell(model)
  const fractions = world.prng('feed')
  const feed = new OutsideSource('feed', model, () => fractions.fraction(), {
    untilUs: workUntilUs,
    everyUs: FEED_EVERY_US,
  })
  return {
    components: workload.components,
    clients: [{ name: feed.name, run: (client, _process, time) => feed.run(client, time) }],
    observers: [...judges.observers, feed],
    unfinished: (final) => {
      if (!workload.isComplete()) {
        return `of ${requests} requests ${model.requests} are in the stream, with ${model.replies} replies, ${model.expired} expiries`
      }
      if (feed.missing > 0) return `${feed.missing} commands of ${feed.name} are not in the stream`
      return unjudged(judges, final)
    },
    hasBegun: () => judges.hasBegun(),
    counts: () => judges.counts(),
  }
}

/** What the checkers have yet to see of the end, in words. */
export function unjudged(judges: Judges, { session, stableSequence }: FinalState): string | undefined {
  const told = judges.chronicleOf(session).stableSequence
  if (told < stableSequence) return `event ${stableSequence} is stable, and ${told} is the last that was told to be`
  const owed = judges.effectsOwed()
  return owed > 0 ? `${owed} effects are not known to be done` : undefined
}

/** A replay runs neither input nor effects. */
const NEVER: SimTime = { nowUs: () => 0, sleep: () => new Promise<void>(() => {}) }

/** The checkers of G1 to G8 over these components. */
export function judgesOf(
  { session, topology }: Pick<RunContext, 'session' | 'topology'>,
  components: readonly SimComponent[],
): Judges {
  return createJudges({
    session,
    voters: topology.voters,
    components: components.map(replayable),
  })
}

/** A component of which nothing runs but its handlers. */
export function replayable({ name, create }: SimComponent): { readonly name: string; create(): Component } {
  const own = { node: 'replay', kind: 'component', start: 0, voter: '', component: name } as const
  const process = { ...own, instance: '', session: '' }
  return { name, create: () => create(process, NEVER) }
}
