/** The network of facilities, and the quickest way through it: what the router decides by, and what the generator of scans follows. */

/** Minutes by the facility where a way begins and the one where it ends. */
export type Routes = Map<string, Map<string, number>>

export interface Leg {
  /** The next facility. */
  readonly to: string
  readonly minutes: number
}

export function addRoute(routes: Routes, from: string, to: string, minutes: number): void {
  const ways = routes.get(from)
  if (ways === undefined) routes.set(from, new Map([[to, minutes]]))
  else ways.set(to, minutes)
}

interface Reached {
  minutes: number
  first: Leg | undefined
  isFinal: boolean
}

/** The first leg of the quickest way, always the same one of several that are equally quick; undefined where none leads there. */
export function nextLeg(routes: Routes, from: string, to: string): Leg | undefined {
  const reached = new Map<string, Reached>([[from, { minutes: 0, first: undefined, isFinal: false }]])
  for (;;) {
    const place = nearest(reached)
    const known = place === undefined ? undefined : reached.get(place)
    if (place === undefined || known === undefined) return undefined
    if (place === to) return known.first
    known.isFinal = true
    for (const [next, minutes] of routes.get(place) ?? []) {
      const sum = known.minutes + minutes
      const first = known.first ?? { to: next, minutes }
      const before = reached.get(next)
      if (before === undefined || sum < before.minutes) reached.set(next, { minutes: sum, first, isFinal: false })
    }
  }
}

/** Of what is reached and not final. The order of the routes decides between equals. */
function nearest(reached: ReadonlyMap<string, Reached>): string | undefined {
  let best: string | undefined
  let least = Number.POSITIVE_INFINITY
  for (const [place, { minutes, isFinal }] of reached) {
    if (isFinal || minutes >= least) continue
    best = place
    least = minutes
  }
  return best
}
