/**
 * A hash of the commands that one event led to, in their order. Under one schema their bytes are taken. Under two, their values by
 * the names of the fields: a field that only one of the schemas has counts where it is not its default.
 */
import type { SchemaDescriptor } from '../../component/descriptor.js'
import type { UntypedSchema } from '../../component/schema.js'
import { mixA, mixB, ValueHash } from './value-hash.js'

export class CommandHash {
  /** Of the present event; 0 where it led to none. */
  a = 0
  b = 0
  /** Of all events. */
  totalA = 0
  totalB = 0
  readonly #schema: UntypedSchema
  readonly #byName: boolean
  readonly #hash = new ValueHash()

  constructor(schema: UntypedSchema, byName: boolean) {
    this.#schema = schema
    this.#byName = byName
  }

  /** The next event begins. */
  begin(): void {
    this.a = 0
    this.b = 0
  }

  add(type: number, payload: Uint8Array): void {
    const hash = this.#hash
    if (this.#byName) hash.take(comparableCommand(this.#schema, type, payload))
    else {
      hash.take(payload)
      hash.a = mixA(hash.a, type)
      hash.b = mixB(hash.b, type)
    }
    this.a = mixA(mixA(this.a, 1), hash.a)
    this.b = mixB(mixB(this.b, 1), hash.b)
    this.totalA = mixA(this.totalA, hash.a)
    this.totalB = mixB(this.totalB, hash.b)
  }
}

/** Name and payload, without the fields that have their default. */
export function comparableCommand(schema: UntypedSchema, type: number, payload: Uint8Array): [string, unknown] {
  const name = schema.nameOf(type) ?? `type ${type}`
  return [name, withoutDefaults(schema.descriptor, name, schema.decode(type, payload, 0, payload.length))]
}

function withoutDefaults(descriptor: SchemaDescriptor, type: string, value: unknown): unknown {
  const message = descriptor.messages[type]
  if (message === undefined || typeof value !== 'object' || value === null) return value
  const present: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(message.fields)) {
    const item: unknown = Reflect.get(value, name)
    const below = (one: unknown): unknown => withoutDefaults(descriptor, field.type, one)
    if (field.rule === 'repeated' && Array.isArray(item)) {
      if (item.length > 0) present[name] = item.map(below)
    } else if (item instanceof Map) {
      if (item.size > 0) present[name] = new Map([...item].map(([key, one]) => [key, below(one)]))
    } else if (item !== undefined && (field.rule === 'optional' || !isDefault(descriptor, field.type, item))) {
      present[name] = below(item)
    }
  }
  return present
}

function isDefault(descriptor: SchemaDescriptor, type: string, value: unknown): boolean {
  if (value instanceof Uint8Array) return value.length === 0
  const first = Object.keys(descriptor.enums[type] ?? {})[0]
  return first === undefined ? value === '' || value === false || Object.is(value, 0) : value === first
}
