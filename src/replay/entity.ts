/**
 * What somebody asks about: an order, an account, a shipment, by its key. `42` is whatever has this key; `orderId=42` is what says so in this
 * field. Keys are compared as text, so that a number and its digits are one.
 */
import { SeqcastError } from '../core/errors.js'
import { type PathStep, type StatePath, valueAt } from './state-path.js'

export interface Entity {
  /** Undefined: any field of a payload; of a record in the state, any that is named like a key. */
  readonly field: string | undefined
  readonly key: string
}

/** @throws SeqcastError E_USAGE where there is no key */
export function parseEntity(text: string): Entity {
  const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text)
  const entity = { field: match?.[1], key: match?.[2] ?? text }
  if (entity.key !== '') return entity
  throw new SeqcastError('E_USAGE', `'${text}' names no entity`, { hint: 'give its key: 42, or orderId=42' })
}

/** Fields of a record that say which one it is. */
const KEY_FIELD = /^(id|key|name|symbol|code)$|(Id|ID|Key|_id|_key)$/
const MAX_DEPTH = 100

function isKey(value: unknown, key: string): boolean {
  return typeof value === 'string' ? value === key : typeof value === 'number' && String(value) === key
}

/** Whether a decoded payload names the entity anywhere in it. */
export function isNamedIn(value: unknown, { field, key }: Entity, name?: string, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return (field === undefined || name === field) && isKey(value, key)
  if (value instanceof Uint8Array || depth > MAX_DEPTH) return false
  if (Array.isArray(value) || value instanceof Set) {
    for (const item of value) if (isNamedIn(item, { field, key }, name, depth + 1)) return true
    return false
  }
  if (value instanceof Map) {
    for (const [itemKey, item] of value) {
      if (field === undefined && isKey(itemKey, key)) return true
      if (isNamedIn(item, { field, key }, name, depth + 1)) return true
    }
    return false
  }
  for (const [itemName, item] of Object.entries(value)) {
    if (isNamedIn(item, { field, key }, itemName, depth + 1)) return true
  }
  return false
}

/** Whether anything in it has a field of this name. */
export function hasField(value: unknown, field: string, depth = 0): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || depth > MAX_DEPTH) return false
  if (value instanceof Map || value instanceof Set || Array.isArray(value)) {
    for (const item of value.values()) if (hasField(item, field, depth + 1)) return true
    return false
  }
  return Object.hasOwn(value, field) || Object.values(value).some((item) => hasField(item, field, depth + 1))
}

/**
 * Where a state holds something of the entity. `entry`: a Map, an object or a Set has it as a key. `record`: what lies there says in a field
 * that it is it, as long as it does. `among`: some of a list's or a Set's records are.
 */
export interface Place {
  readonly kind: 'entry' | 'record' | 'among'
  readonly path: StatePath
}

/** What lies at a place now: nothing, one value, or several of a list. */
export interface Found {
  readonly path: StatePath
  readonly value: unknown
}

export interface Search {
  readonly places: readonly Place[]
  /** How much was looked at. */
  readonly visited: number
}

/** Looks through all of a state. @param below only what lies at this path, which need not be there */
export function searchState(state: unknown, entities: readonly Entity[], below = ''): Search {
  const root = placeAt(state, below)
  if (root === undefined) return { places: [], visited: 1 }
  const places: Place[] = []
  const path: PathStep[] = [...root.path]
  let visited = 0
  const add = (kind: Place['kind'], ...steps: PathStep[]): void => {
    places.push({ kind, path: [...path, ...steps] })
  }
  const enter = (step: PathStep, value: unknown, hasKey: boolean): void => {
    if (hasKey) add('entry', step)
    else if (isRecordOf(value, entities)) add('record', step)
    else {
      path.push(step)
      look(value)
      path.pop()
    }
  }
  const look = (value: unknown): void => {
    visited++
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array || path.length > MAX_DEPTH) return
    if (value instanceof Map) {
      for (const [key, item] of value) enter({ kind: 'key', value: key }, item, isKeyOf(key, entities))
    } else if (Array.isArray(value) || value instanceof Set) {
      let index = 0
      let isAmong = false
      for (const item of value) {
        if (isRecordOf(item, entities) || isKeyOf(item, entities)) isAmong = true
        else if (Array.isArray(value)) enter({ kind: 'index', index }, item, false)
        index++
      }
      visited += index
      if (isAmong) add('among')
    } else {
      for (const [name, item] of Object.entries(value)) enter({ kind: 'name', name }, item, isKeyOf(name, entities))
    }
  }
  look(root.value)
  return { places, visited }
}

/** What lies at a path; undefined where there is no such place. @throws SeqcastError E_USAGE where it is no path */
export function placeAt(state: unknown, path: string): Found | undefined {
  try {
    return valueAt(state, path)
  } catch (error) {
    if (error instanceof SeqcastError && error.fields.path === path) return undefined
    throw error
  }
}

/** What is at a place now. */
export function lookAt(state: unknown, place: Place, entities: readonly Entity[]): readonly Found[] {
  if (place.kind === 'entry') {
    const within = valueAtPath(state, place.path.slice(0, -1))
    const step = place.path.at(-1)
    if (step === undefined || !hasStep(within, step)) return []
    return [{ path: place.path, value: stepInto(within, step) }]
  }
  const value = valueAtPath(state, place.path)
  if (place.kind === 'record') return isRecordOf(value, entities) ? [{ path: place.path, value }] : []
  if (!Array.isArray(value) && !(value instanceof Set)) return []
  const found: Found[] = []
  let index = 0
  for (const item of value) {
    if (isRecordOf(item, entities) || isKeyOf(item, entities)) {
      const step: PathStep = Array.isArray(value) ? { kind: 'index', index } : { kind: 'member', value: item }
      found.push({ path: [...place.path, step], value: item })
    }
    index++
  }
  return found
}

function isKeyOf(value: unknown, entities: readonly Entity[]): boolean {
  for (const { key } of entities) if (isKey(value, key)) return true
  return false
}

function isRecordOf(value: unknown, entities: readonly Entity[]): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  if (value instanceof Map || value instanceof Set || value instanceof Uint8Array) return false
  for (const name in value) {
    for (const { field, key } of entities) {
      if ((field === undefined ? KEY_FIELD.test(name) : name === field) && isKey(Reflect.get(value, name), key)) {
        return true
      }
    }
  }
  return false
}

function valueAtPath(state: unknown, path: StatePath): unknown {
  let value = state
  for (const step of path) value = stepInto(value, step)
  return value
}

function stepInto(within: unknown, step: PathStep): unknown {
  if (typeof within !== 'object' || within === null) return undefined
  if (step.kind === 'key') return within instanceof Map ? within.get(step.value) : undefined
  if (step.kind === 'member') return within instanceof Set && within.has(step.value) ? step.value : undefined
  if (step.kind === 'index') return Array.isArray(within) ? within[step.index] : undefined
  return Reflect.get(within, step.name)
}

function hasStep(within: unknown, step: PathStep): boolean {
  if (typeof within !== 'object' || within === null) return false
  if (step.kind === 'key') return within instanceof Map && within.has(step.value)
  if (step.kind === 'member') return within instanceof Set && within.has(step.value)
  if (step.kind === 'index') return Array.isArray(within) && step.index < within.length
  return Object.hasOwn(within, step.name)
}
