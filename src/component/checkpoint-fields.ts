/**
 * Reads what a part of a host had said of itself, out of a checkpoint: each field by its name, of the type that is expected. A field
 * that is missing or is something else is damage.
 */
import { StateDamage } from './state-decoding.js'

export class Fields {
  readonly #values: ReadonlyMap<string, unknown>
  readonly #path: string

  /** @throws StateDamage where the value is no record */
  constructor(value: unknown, path: string) {
    if (typeof value !== 'object' || value === null) throw new StateDamage(`${path} is no record`)
    this.#values = new Map(Object.entries(value))
    this.#path = path
  }

  /** Anything: the component's own state. */
  value(name: string): unknown {
    if (!this.#values.has(name)) this.#refuse(name, 'missing')
    return this.#values.get(name)
  }

  number(name: string): number {
    const value = this.value(name)
    return typeof value === 'number' && !Number.isNaN(value) ? value : this.#refuse(name, 'no number')
  }

  /** A safe integer from 0. */
  whole(name: string): number {
    const value = this.number(name)
    return Number.isSafeInteger(value) && value >= 0 ? value : this.#refuse(name, 'no whole number')
  }

  text(name: string): string {
    const value = this.value(name)
    return typeof value === 'string' ? value : this.#refuse(name, 'no text')
  }

  flag(name: string): boolean {
    const value = this.value(name)
    return typeof value === 'boolean' ? value : this.#refuse(name, 'no flag')
  }

  bytes(name: string): Uint8Array {
    const value = this.value(name)
    return value instanceof Uint8Array ? value : this.#refuse(name, 'no bytes')
  }

  /** What another part has said. */
  fields(name: string): Fields {
    return new Fields(this.value(name), `${this.#path}.${name}`)
  }

  /** Undefined where nothing was there. */
  optionalFields(name: string): Fields | undefined {
    return this.value(name) === null ? undefined : this.fields(name)
  }

  list(name: string): Fields[] {
    const value = this.value(name)
    if (!Array.isArray(value)) return this.#refuse(name, 'no list')
    return value.map((entry: unknown, i) => new Fields(entry, `${this.#path}.${name}[${i}]`))
  }

  #refuse(name: string, what: string): never {
    throw new StateDamage(`${this.#path}.${name} is ${what}`)
  }
}
