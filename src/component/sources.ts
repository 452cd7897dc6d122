/**
 * Who speaks: names and numbers of sources, as the stream's `SourceRegistered` events bind them. Every reader of the stream
 * has the same table at the same sequence.
 */
import type { SourceRegistered } from '../wire/runtime-events.js'
import type { Fields } from './checkpoint-fields.js'

export interface SourceEntry {
  readonly number: number
  readonly name: string
  readonly component: string
  readonly exclusive: boolean
  readonly nonce: number
  readonly schemaHash: string
  /** Another registration of the name has closed it: it will say nothing more. */
  closed: boolean
}

export class SourceRegistry {
  readonly #byNumber: (SourceEntry | undefined)[] = []
  readonly #byName = new Map<string, SourceEntry>()

  capture(): object {
    return { entries: this.all().map((entry) => ({ ...entry })) }
  }

  restore(from: Fields): void {
    for (const entry of from.list('entries')) {
      this.#add({
        number: entry.whole('number'),
        name: entry.text('name'),
        component: entry.text('component'),
        exclusive: entry.flag('exclusive'),
        nonce: entry.whole('nonce'),
        schemaHash: entry.text('schemaHash'),
        closed: entry.flag('closed'),
      })
    }
  }

  register(event: SourceRegistered): SourceEntry {
    const closed = this.#byNumber[event.closes]
    if (closed !== undefined) closed.closed = true
    const entry: SourceEntry = {
      number: event.source,
      name: event.name,
      component: event.component,
      exclusive: event.exclusive,
      nonce: event.nonce,
      schemaHash: event.schemaHash,
      closed: false,
    }
    this.#add(entry)
    return entry
  }

  #add(entry: SourceEntry): void {
    this.#byNumber[entry.number] = entry
    this.#byName.set(entry.name, entry)
  }

  /** The newest source of that name. */
  named(name: string): SourceEntry | undefined {
    return this.#byName.get(name)
  }

  numbered(source: number): SourceEntry | undefined {
    return this.#byNumber[source]
  }

  /** All of them, closed ones too, by number. */
  all(): SourceEntry[] {
    return this.#byNumber.filter((entry) => entry !== undefined)
  }
}
