/**
 * Paths into a state, as a user writes them and as reports print them: `orders[42].shares`, `books["AAPL"].bids[0]`.
 * A Map, an object, an array and a Set are entered by key, name, index and member alike; `orders.42` is read, too.
 */
import { SeqcastError } from '../core/errors.js'

/** A name of an object, a key of a Map, an index of an array, a member of a Set. */
export type PathStep =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'key'; readonly value: unknown }
  | { readonly kind: 'member'; readonly value: unknown }

export type StatePath = readonly PathStep[]

const IDENTIFIER = /^[A-Za-z_$][A-Za-z0-9_$]*$/
/** How many names a message lists. */
const SHOWN_NAMES = 12

/** The path as it can be given again; `(state)` where it is empty. */
export function pathText(path: StatePath): string {
  let text = ''
  for (const step of path) {
    if (step.kind === 'name' && IDENTIFIER.test(step.name)) text += text === '' ? step.name : `.${step.name}`
    else text += `[${stepText(step)}]`
  }
  return text === '' ? '(state)' : text
}

function stepText(step: PathStep): string {
  if (step.kind === 'index') return String(step.index)
  const value = step.kind === 'name' ? step.name : step.value
  if (typeof value === 'string') return JSON.stringify(value)
  return typeof value === 'object' && value !== null ? (JSON.stringify(value) ?? '{}') : String(value)
}

/** What was written between two dots, or in brackets: with quotes it is text, without it may be either. */
interface WrittenStep {
  readonly text: string
  readonly isQuoted: boolean
}

/** @throws SeqcastError E_USAGE where it is no path */
export function parsePath(text: string): WrittenStep[] {
  const steps: WrittenStep[] = []
  const pattern = /\.?([^.[\]"]+)|\[("(?:[^"\\]|\\.)*"|[^\]"]+)\]/y
  for (let at = 0; at < text.length; at = pattern.lastIndex) {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match === null) {
      throw new SeqcastError('E_USAGE', `the path ${text} can't be read from character ${at + 1} on`, {
        hint: 'write it as orders[42].shares or books["AAPL"].bids[0]',
      })
    }
    const [, plain, bracketed = ''] = match
    if (plain !== undefined) steps.push({ text: plain, isQuoted: false })
    else if (bracketed.startsWith('"')) steps.push({ text: String(JSON.parse(bracketed)), isQuoted: true })
    else steps.push({ text: bracketed, isQuoted: false })
  }
  return steps
}

/** The value at a path, and the path as it is printed. @throws SeqcastError E_USAGE where the state has no such place */
export function valueAt(state: unknown, text: string): { readonly value: unknown; readonly path: StatePath } {
  const path: PathStep[] = []
  let value = state
  for (const written of parsePath(text)) {
    const found = enter(value, written)
    if (found === undefined) throw noSuchPlace(text, path, written, value)
    path.push(found.step)
    value = found.value
  }
  return { value, path }
}

interface Entered {
  readonly step: PathStep
  readonly value: unknown
}

function enter(value: unknown, { text, isQuoted }: WrittenStep): Entered | undefined {
  const number = !isQuoted && text.trim() !== '' ? Number(text) : Number.NaN
  if (value instanceof Map) {
    for (const key of keysOf(text, number)) {
      if (value.has(key)) return { step: { kind: 'key', value: key }, value: value.get(key) }
    }
    return undefined
  }
  if (value instanceof Set) {
    for (const key of keysOf(text, number)) {
      if (value.has(key)) return { step: { kind: 'member', value: key }, value: key }
    }
    return undefined
  }
  if (Array.isArray(value)) {
    if (!Number.isInteger(number) || number < 0 || number >= value.length) return undefined
    return { step: { kind: 'index', index: number }, value: value[number] }
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, text)) return undefined
  return { step: { kind: 'name', name: text }, value: Reflect.get(value, text) }
}

/** What a written key may mean, the likeliest first. */
function keysOf(text: string, number: number): readonly unknown[] {
  if (!Number.isNaN(number)) return [number, text]
  return text === 'true' || text === 'false' ? [text, text === 'true'] : [text]
}

function noSuchPlace(text: string, path: StatePath, { text: name }: WrittenStep, value: unknown): SeqcastError {
  const where = path.length === 0 ? 'the state' : pathText(path)
  const names = namesIn(value)
  const shown = names.slice(0, SHOWN_NAMES).join(', ')
  const more = names.length > SHOWN_NAMES ? `, … (${names.length} in all)` : ''
  return new SeqcastError('E_USAGE', `--path ${text}: ${where} has no ${name}`, {
    hint: names.length === 0 ? `${where} holds nothing to go into` : `it has ${shown}${more}`,
    fields: { path: text },
  })
}

function namesIn(value: unknown): string[] {
  if (value instanceof Map) return [...value.keys()].map(String)
  if (value instanceof Set) return [...value].map(String)
  if (Array.isArray(value)) return value.map((_, i) => String(i))
  return typeof value === 'object' && value !== null ? Object.keys(value) : []
}
