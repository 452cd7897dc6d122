/**
 * Finds where a component's state holds an entity, by looking through all of it: after each event where the state is small, more rarely and
 * mostly after events that name the entity where it is large, and at the end.
 */
import { type Entity, type Place, searchState } from './entity.js'
import type { Part } from './player.js'
import { pathText } from './state-path.js'

export interface FoundPlaces {
  readonly places: readonly Place[]
  /** How many more there are. */
  readonly left: number
}

/** Values of a state that may be looked at for each event that is played, on average. */
const LOOKS_PER_EVENT = 40
/** And so many before the first. */
const SPARE_LOOKS = 2_000_000

/** Places that are watched of each component: each is looked at after each event. */
const MAX_PLACES = 200

export class PlaceFinder {
  readonly part: Part
  readonly #places: Place[] = []
  readonly #entities: readonly Entity[]
  readonly #below: string | undefined
  readonly #known = new Set<string>()
  #spareLooks = SPARE_LOOKS
  #isDue = false

  constructor(part: Part, entities: readonly Entity[], below: string | undefined) {
    this.part = part
    this.#entities = entities
    this.#below = below
  }

  /** In the order in which they were found; where that is too much, what has the entity for a key before what only names it. */
  get found(): FoundPlaces {
    if (this.#places.length <= MAX_PLACES) return { places: this.#places, left: 0 }
    const sorted = this.#places.toSorted((a, b) => Number(b.kind === 'entry') - Number(a.kind === 'entry'))
    return { places: sorted.slice(0, MAX_PLACES), left: sorted.length - MAX_PLACES }
  }

  /** After each event. */
  after(isNamed: boolean): void {
    this.#spareLooks += LOOKS_PER_EVENT
    // Half of what may be looked at is kept for events that name it.
    if (!isNamed && !this.#isDue && this.#spareLooks < SPARE_LOOKS / 2) return
    this.#isDue = this.#spareLooks < 0
    if (!this.#isDue) this.#search()
  }

  end(): void {
    this.#search()
  }

  #search(): void {
    const { places, visited } = searchState(this.part.state, this.#entities, this.#below)
    this.#spareLooks = Math.min(this.#spareLooks, SPARE_LOOKS) - visited
    for (const place of places) {
      const id = `${place.kind} ${pathText(place.path)}`
      if (this.#known.has(id)) continue
      this.#known.add(id)
      this.#places.push(place)
    }
  }
}
