/**
 * Whether a session has all that it carries over. Until then whoever starts on it reads the session before to its end, so that one
 * must not be dropped.
 */
import { readU16 } from '../wire/bytes.js'
import { EVENT_HEADER_BYTES, eventSource, eventSourceSequence, eventType } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import {
  SEED_DONE,
  SESSION_OPENED,
  SESSION_STARTED,
  SOURCE_REGISTERED,
  seedComponentOf,
  seedDoneCodec,
  sessionStartedCodec,
  sourceRegisteredCodec,
} from '../wire/runtime-events.js'
import type { Recording } from './recording.js'

export interface SeedState {
  /** Nobody has to look into the session before any more. */
  readonly isComplete: boolean
  /** Why not, as the end of a sentence; '' where it is complete. */
  readonly reason: string
}

interface Seed {
  /** Events of its source that there must be: known when `SeedDone` has come. */
  wanted: number
  seen: number
}

/** Reads a session until its seed is complete, or to its end. @throws SeqcastError E_STORE_CORRUPT */
export function seedStateOf(log: Recording): SeedState {
  const walk = new SeedWalk()
  if (log.firstSequence > 1) return { isComplete: false, reason: 'its beginning is not recorded here' }
  log.read(1, Number.POSITIVE_INFINITY, (_sequence, count, bytes, start) => walk.run(count, bytes, start))
  return walk.state()
}

class SeedWalk {
  readonly #seeds = new Map<string, Seed>()
  readonly #seedOfSource = new Map<number, Seed>()
  #isStarted = false
  #isOpen = false
  #needsOpening = false

  /** @returns false when all is known */
  run(count: number, bytes: Uint8Array, start: number): boolean {
    for (let i = 0, at = start; i < count; i++) {
      const end = at + BLOCK_LENGTH_BYTES + readU16(bytes, at)
      if (end - at >= BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES) this.#event(bytes, at + BLOCK_LENGTH_BYTES, end)
      at = end
    }
    return !this.state().isComplete
  }

  state(): SeedState {
    const missing = [...this.#seeds].flatMap(([component, { wanted, seen }]) => (seen < wanted ? [component] : []))
    const reason = !this.#isStarted
      ? 'it has not begun here'
      : missing.length > 0
        ? `not all that it carries over has come: ${missing.join(', ')}`
        : this.#needsOpening && !this.#isOpen
          ? 'it is not open yet'
          : ''
    return { isComplete: reason === '', reason }
  }

  #event(bytes: Uint8Array, at: number, end: number): void {
    const seed = this.#seedOfSource.get(eventSource(bytes, at))
    if (seed !== undefined) seed.seen = Math.max(seed.seen, eventSourceSequence(bytes, at))
    const payload = (): Uint8Array => bytes.slice(at + EVENT_HEADER_BYTES, end)
    switch (eventType(bytes, at)) {
      case SESSION_STARTED:
        this.#started(payload())
        break
      case SOURCE_REGISTERED:
        this.#registered(payload())
        break
      case SEED_DONE:
        if (seed !== undefined) seed.wanted = seed.seen + (seedDoneCodec.decode(payload())?.pending ?? 0)
        break
      case SESSION_OPENED:
        this.#isOpen = true
    }
  }

  #started(payload: Uint8Array): void {
    const started = sessionStartedCodec.decode(payload)
    if (started === undefined) return
    this.#isStarted = true
    this.#needsOpening = started.seeders.length > 0 || started.staticEvents > 0
    for (const component of started.seeders) this.#seeds.set(component, { wanted: Number.POSITIVE_INFINITY, seen: 0 })
  }

  #registered(payload: Uint8Array): void {
    const { name, source, component } = sourceRegisteredCodec.decode(payload) ?? { name: '', source: 0, component: '' }
    const seed = this.#seeds.get(seedComponentOf(name) ?? '')
    if (seed !== undefined && component !== '') this.#seedOfSource.set(source, seed)
  }
}
