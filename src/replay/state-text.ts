/**
 * A state as somebody reads it who has to explain it: one line where it fits, names and values aligned, entries of one kind as a
 * table. What is cut is counted. Nothing here changes or keeps the state.
 */

/** Colours, or nothing. */
export interface Style {
  readonly added: (text: string) => string
  readonly removed: (text: string) => string
  readonly changed: (text: string) => string
  readonly faint: (text: string) => string
}

const same = (text: string): string => text
export const PLAIN_STYLE: Style = { added: same, removed: same, changed: same, faint: same }

export interface ValueTextOptions {
  /** Entries that are shown of each Map, Set and array. */
  readonly limit: number
  /** Columns of a line, as far as it can be helped. */
  readonly width: number
  readonly style?: Style
}

const INDENT = '  '
/** A cell of a table is no longer. */
const MAX_CELL = 32
const MAX_COLUMNS = 16
/** Fields of one object; an object is no table, so mostly all are there. */
const MAX_FIELDS = 200

/** A value on one line; cut to `maxLength` characters. */
export function lineText(value: unknown, maxLength = Number.POSITIVE_INFINITY): string {
  const text = inline(value, maxLength, 0)
  return text.length <= maxLength ? text : `${text.slice(0, Math.max(1, maxLength - 1))}…`
}

/** A value on as many lines as it takes. */
export function valueText(value: unknown, { limit, width, style = PLAIN_STYLE }: ValueTextOptions): string {
  return new Layout(limit, width, style).block(value, 0).join('\n')
}

function inline(value: unknown, room: number, depth: number): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (Object.is(value, -0)) return '-0'
  if (typeof value !== 'object' || value === null) return String(value)
  if (value instanceof Uint8Array) return bytesText(value)
  if (depth > 20) return '…'
  const { open, close } = bracketsOf(value)
  const parts: string[] = []
  let length = 0
  for (const [name, item] of entriesOf(value)) {
    const part = (name === undefined ? '' : `${name}: `) + inline(item, room - length, depth + 1)
    parts.push(part)
    length += part.length + 2
    if (length > room) break
  }
  const gap = open === '[' || parts.length === 0 ? '' : ' '
  return `${open}${gap}${parts.join(', ')}${gap}${close}`
}

function bytesText(bytes: Uint8Array): string {
  const shown = Buffer.from(bytes.subarray(0, 32)).toString('hex')
  return `<${bytes.length} bytes ${shown}${bytes.length > 32 ? '…' : ''}>`
}

function bracketsOf(value: object): { readonly open: string; readonly close: string } {
  if (Array.isArray(value)) return { open: '[', close: ']' }
  if (value instanceof Map) return { open: `Map(${value.size}) {`, close: '}' }
  if (value instanceof Set) return { open: `Set(${value.size}) {`, close: '}' }
  const prototype: unknown = Object.getPrototypeOf(value)
  const name = prototype === Object.prototype || prototype === null ? '' : `${value.constructor?.name ?? ''} `
  return { open: `${name}{`, close: '}' }
}

/** What a container holds, with the name of each where it has one. */
function* entriesOf(value: object): Generator<readonly [string | undefined, unknown]> {
  if (Array.isArray(value) || value instanceof Set) for (const item of value) yield [undefined, item]
  else if (value instanceof Map) for (const [key, item] of value) yield [keyText(key), item]
  else for (const [name, item] of Object.entries(value)) yield [name, item]
}

function keyText(key: unknown): string {
  return lineText(key, 40)
}

function sizeOf(value: object): number {
  if (Array.isArray(value)) return value.length
  return value instanceof Map || value instanceof Set ? value.size : Object.keys(value).length
}

function headOf(value: object): string {
  if (value instanceof Map) return `Map, ${sizeText(value.size)}`
  if (value instanceof Set) return `Set, ${sizeText(value.size)}`
  if (Array.isArray(value)) return `list, ${sizeText(value.length)}`
  return bracketsOf(value).open.slice(0, -1).trimEnd()
}

const sizeText = (size: number): string => (size === 1 ? '1 entry' : `${size.toLocaleString('en-US')} entries`)

const isContainer = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !(value instanceof Uint8Array)

/** Values one after the other, as many on a line as there is room for. */
function wrapped(entries: readonly (readonly [string, unknown])[], room: number): string[] {
  const lines: string[] = []
  for (const [, item] of entries) {
    const text = `${lineText(item)},`
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + text.length <= room) lines[lines.length - 1] = `${last} ${text}`
    else lines.push(text)
  }
  return lines.map((line, i) => (i === lines.length - 1 ? line.slice(0, -1) : line))
}

/** An object with fields, and no collection. */
const isNamed = (value: object): boolean => !(Array.isArray(value) || value instanceof Map || value instanceof Set)

class Layout {
  readonly #limit: number
  readonly #width: number
  readonly #style: Style

  constructor(limit: number, width: number, style: Style) {
    this.#limit = limit
    this.#width = width
    this.#style = style
  }

  /** @param used columns that are taken at the left */
  block(value: unknown, used: number): string[] {
    const room = this.#width - used
    if (!isContainer(value)) return [lineText(value)]
    const limit = isNamed(value) ? MAX_FIELDS : this.#limit
    if (sizeOf(value) <= limit) {
      const line = lineText(value, room + 1)
      if (line.length <= room) return [line]
    }
    const shown: (readonly [string, unknown])[] = []
    let index = 0
    for (const [name, item] of entriesOf(value)) {
      if (index === limit) break
      shown.push([name ?? (value instanceof Set ? '-' : String(index)), item])
      index++
    }
    const left = sizeOf(value) - shown.length
    const rest = left === 0 ? [] : [this.#style.faint(`… and ${left.toLocaleString('en-US')} more`)]
    const head = headOf(value)
    const isPlainList = !isNamed(value) && !(value instanceof Map) && shown.every(([, item]) => !isContainer(item))
    const lines = isPlainList ? wrapped(shown, room) : (this.#tableOf(shown, used) ?? this.#list(shown, used))
    return [...(head === '' ? [] : [this.#style.faint(head)]), ...lines, ...rest]
  }

  #list(entries: readonly (readonly [string, unknown])[], used: number): string[] {
    const names = Math.min(MAX_CELL, Math.max(...entries.map(([name]) => name.length)))
    const isNumeric = entries.every(([name]) => /^-?[0-9]+$/.test(name))
    const lines: string[] = []
    for (const [name, item] of entries) {
      const label = isNumeric ? name.padStart(names) : name.padEnd(names)
      const block = this.block(item, used + label.length + INDENT.length)
      const [first = '', ...more] = block
      if (isContainer(item) && isNamed(item) && headOf(item) === '' && !/^[{]/.test(first)) {
        lines.push(label.trimEnd(), ...block.map((line) => INDENT + line))
      } else lines.push(`${label}${INDENT}${first}`, ...more.map((line) => INDENT + line))
    }
    return lines
  }

  /** Entries that are all records of short values: one row each. */
  #tableOf(entries: readonly (readonly [string, unknown])[], used: number): string[] | undefined {
    if (entries.length < 2) return undefined
    const columns = new Set<string>()
    for (const [, item] of entries) {
      if (!isContainer(item) || bracketsOf(item).open !== '{') return undefined
      for (const [name, cell] of Object.entries(item)) {
        if (isContainer(cell) && sizeOf(cell) > 0 && lineText(cell, MAX_CELL + 1).length > MAX_CELL) return undefined
        columns.add(name)
      }
    }
    if (columns.size === 0 || columns.size > MAX_COLUMNS) return undefined
    const header = ['', ...columns]
    const rows = entries.map(([name, item]) => [
      name,
      ...[...columns].map((column) =>
        Object.hasOwn(Object(item), column) ? lineText(Reflect.get(Object(item), column), MAX_CELL) : '',
      ),
    ])
    const numeric = header.map((_, i) => rows.every((row) => row[i] === '' || !Number.isNaN(Number(row[i]))))
    const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length)))
    if (used + widths.reduce((sum, width) => sum + width + 2, 0) > Math.max(this.#width, 100)) return undefined
    const line = (cells: readonly string[]): string =>
      cells
        .map((cell, i) => (numeric[i] === true ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
        .join(INDENT)
        .trimEnd()
    return [this.#style.faint(line(header)), ...rows.map(line)]
  }
}
