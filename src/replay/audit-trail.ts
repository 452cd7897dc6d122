/**
 * Why an entity is as it is: every event that names it, or after which the part of a state that is the entity's was another one, with what
 * it changed and which commands it caused.
 *
 * The recording is played twice: once to find where the states hold the entity, and once to watch these places from the first event on.
 */

import { type Entity, type Found, hasField, isNamedIn, lookAt, type Place } from './entity.js'
import { EventReader, keepEvent, type RecordedEvent } from './event-reader.js'
import { type FoundPlaces, PlaceFinder } from './place-finder.js'
import type { Part, Player } from './player.js'
import { type Change, copyState, diffValues } from './state-diff.js'
import type { StatePath } from './state-path.js'

export interface CausedCommand {
  readonly name: string
  readonly payload: unknown
}

/** What an event did in one component. */
export interface TrailPart {
  readonly component: string
  readonly changes: readonly Change[]
  /** Commands that its handlers issued, where they or the event name the entity. */
  readonly commands: readonly CausedCommand[]
  /** Timers that fired before the event; they may be what changed the state. */
  readonly timersFired: number
}

export interface TrailEntry {
  readonly event: RecordedEvent
  /** The event says the entity's key; otherwise it is here for what it changed. */
  readonly isNamed: boolean
  readonly parts: readonly TrailPart[]
}

/** What is left of the entity at the end. */
export interface TrailState {
  readonly component: string
  readonly found: readonly Found[]
  /** Places where it is or was, and that were not watched, because there are so many. */
  readonly placesLeft: number
  readonly timers: readonly { readonly name: string; readonly key: string; readonly dueUs: number }[]
}

export interface Trail {
  readonly entries: readonly TrailEntry[]
  /** More than are kept. */
  readonly total: number
  readonly states: readonly TrailState[]
  /** Fields of the entities that no event has, no message of the schemas, and nothing in the states at the end. */
  readonly unknownFields: readonly string[]
  /** The last event that was played. */
  readonly sequence: number
}

export interface TrailOptions {
  readonly entities: readonly Entity[]
  /** Makes a player at the beginning, whose components tell `onCommand` of each command; called once for each pass. */
  readonly createPlayer: (onCommand: (component: string, type: number, payload: Uint8Array) => void) => Player
  /** Entries of events before this one are left out. */
  readonly fromSequence: number
  readonly toSequence: number
  /** Only this part of each state. */
  readonly below?: string | undefined
  /** Entries that are kept; the rest is counted. */
  readonly maxEntries: number
  readonly progress?: (sequence: number) => void
}

const SLICE_RUNS = 256

/** @throws SeqcastError what a component failed of */
export async function auditTrail(options: TrailOptions): Promise<Trail> {
  const { places, unknownFields } = await findPlaces(options)
  return { ...(await new Telling(options, places).run()), unknownFields }
}

/** Where each component's state holds the entity, at some time. */
type PlacesByComponent = ReadonlyMap<string, FoundPlaces>

interface FirstPass {
  readonly places: PlacesByComponent
  readonly unknownFields: readonly string[]
}

async function findPlaces(options: TrailOptions): Promise<FirstPass> {
  const { entities, below, createPlayer } = options
  const player = createPlayer(() => {})
  const unknown = new Set(entities.flatMap(({ field }) => (field === undefined ? [] : [field])))
  const know = (value: unknown): void => {
    for (const field of unknown) if (hasField(value, field)) unknown.delete(field)
  }
  for (const { component } of player.parts)
    for (const { fields } of Object.values(component.schema.descriptor.messages)) know(fields)
  const finders = player.parts.map((part) => new PlaceFinder(part, entities, below))
  await playAll(player, options, (event) => {
    const isNamed = isNamedBy(event, entities)
    if (unknown.size > 0) know(event.payload)
    for (const finder of finders) finder.after(isNamed)
  })
  for (const finder of finders) finder.end()
  for (const { state } of player.parts) know(state)
  player.stop()
  return { places: new Map(finders.map(({ part, found }) => [part.name, found])), unknownFields: [...unknown] }
}

async function playAll(player: Player, options: TrailOptions, onEvent: (event: RecordedEvent) => void): Promise<void> {
  const { toSequence, progress } = options
  const schemas = player.parts.map((part) => part.component.schema)
  const reader = new EventReader(schemas, (source) => player.sourceName(source))
  const visit = (sequence: number, bytes: Uint8Array, at: number, lengthBytes: number): boolean => {
    onEvent(reader.read(sequence, bytes, at, lengthBytes))
    return true
  }
  let isGoing = true
  while (isGoing) {
    isGoing = player.playEvents(toSequence, SLICE_RUNS, visit)
    progress?.(player.next - 1)
    await new Promise((resolve) => setImmediate(resolve))
  }
  for (const { failure } of player.parts) if (failure !== undefined) throw failure
}

function isNamedBy(event: RecordedEvent, entities: readonly Entity[]): boolean {
  return entities.some((entity) => isNamedIn(event.payload, entity))
}

class Telling {
  readonly #options: TrailOptions
  readonly #player: Player
  readonly #watches: readonly Watch[]
  readonly #entries: TrailEntry[] = []
  #total = 0

  constructor(options: TrailOptions, places: PlacesByComponent) {
    this.#options = options
    this.#player = options.createPlayer((component, type, payload) => {
      this.#watches.find((watch) => watch.part.name === component)?.onCommand(type, payload)
    })
    this.#watches = this.#player.parts.map((part) => new Watch(part, places.get(part.name), options.entities))
  }

  async run(): Promise<Omit<Trail, 'unknownFields'>> {
    await playAll(this.#player, this.#options, (event) => this.#onEvent(event))
    const states = this.#watches.map((watch) => watch.end())
    this.#player.stop()
    return { entries: this.#entries, total: this.#total, states, sequence: this.#player.next - 1 }
  }

  #onEvent(event: RecordedEvent): void {
    const { entities, fromSequence, maxEntries } = this.#options
    const isNamed = isNamedBy(event, entities)
    const parts: TrailPart[] = []
    for (const watch of this.#watches) {
      const told = watch.after(event, isNamed)
      if (told !== undefined) parts.push(told)
    }
    if ((!isNamed && parts.length === 0) || event.sequence < fromSequence) return
    this.#total++
    if (this.#entries.length < maxEntries) this.#entries.push({ event: keepEvent(event), isNamed, parts })
  }
}

/** The places of one component's state, and what lies there. */
class Watch {
  readonly part: Part
  readonly #places: readonly Place[]
  readonly #placesLeft: number
  readonly #entities: readonly Entity[]
  /** What lay at each place after the event before. */
  readonly #before: (readonly Found[])[]
  #commands: CausedCommand[] = []
  #timersFired = 0

  constructor(part: Part, found: FoundPlaces | undefined, entities: readonly Entity[]) {
    const { places, left } = found ?? { places: [], left: 0 }
    this.part = part
    this.#places = places
    this.#placesLeft = left
    this.#entities = entities
    this.#before = places.map((place) => copyFound(lookAt(part.state, place, entities)))
  }

  onCommand(type: number, payload: Uint8Array): void {
    const { schema } = this.part.component
    const name = schema.nameOf(type)
    if (name !== undefined) this.#commands.push({ name, payload: schema.decode(type, payload, 0, payload.length) })
  }

  /** Looks at the state after an event. @returns what the event did to the entity, or undefined */
  after({ type }: RecordedEvent, isNamed: boolean): TrailPart | undefined {
    const { component, host } = this.part
    const fired = host.timersFired - this.#timersFired
    this.#timersFired = host.timersFired
    // Only handlers change a state.
    if (component.handlers[type] === undefined && fired === 0) return undefined
    const commands = this.#commands.filter(
      ({ payload }) => isNamed || this.#entities.some((entity) => isNamedIn(payload, entity)),
    )
    if (this.#commands.length > 0) this.#commands = []
    const changes = this.#changes()
    if (changes.length === 0 && commands.length === 0) return undefined
    return { component: this.part.name, changes, commands, timersFired: fired }
  }

  end(): TrailState {
    const keys = new Set(this.#entities.map(({ key }) => key))
    return {
      component: this.part.name,
      found: this.#places.flatMap((place) => lookAt(this.part.state, place, this.#entities)),
      placesLeft: this.#placesLeft,
      timers: this.part.host.timers().filter(({ key }) => keys.has(key)),
    }
  }

  #changes(): Change[] {
    const changes: Change[] = []
    for (const [i, place] of this.#places.entries()) {
      const before = this.#before[i] ?? []
      const now = lookAt(this.part.state, place, this.#entities)
      const found = compare(before, now)
      if (found.length === 0) continue
      changes.push(...found)
      this.#before[i] = copyFound(now)
    }
    return changes
  }
}

/** The state goes on; what was told stays. */
function copyFound(found: readonly Found[]): Found[] {
  return found.map(({ path, value }) => ({ path, value: copyState(value) }))
}

/** The first of what lay there with the first of what lies there, and so on. */
function compare(before: readonly Found[], now: readonly Found[]): Change[] {
  const changes: Change[] = []
  for (let i = 0; i < Math.max(before.length, now.length); i++) {
    const [was, is] = [before[i], now[i]]
    if (is === undefined && was !== undefined) changes.push({ kind: 'removed', path: was.path, before: was.value })
    if (is === undefined) continue
    if (was === undefined) changes.push({ kind: 'added', path: is.path, after: copyState(is.value) })
    else for (const change of diffValues(was.value, is.value).changes) changes.push(kept(change, is.path))
  }
  return changes
}

function kept(change: Change, above: StatePath): Change {
  const path = [...above, ...change.path]
  return 'after' in change ? { ...change, path, after: copyState(change.after) } : { ...change, path }
}
