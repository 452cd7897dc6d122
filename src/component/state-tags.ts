/**
 * The kinds of values in the encoding of a state, one byte each, and the shapes: lists of property names. Objects of one kind follow each
 * other in a state, so their names are written once; whoever writes and whoever reads number the shapes alike.
 *
 * | tag | value |
 * |---|---|
 * | 0 to 3 | null, undefined, false, true |
 * | 4, 5 | number: i32, or f64 |
 * | 6, 7, 8 | text: length u8 and Latin-1; length in bytes u32 and Latin-1, or UTF-16LE |
 * | 9, 10 | bytes: length u32, as Uint8Array or as Buffer |
 * | 11, 12, 13 | array, Map, Set: number of entries u32, and the entries |
 * | 14, 15 | object, object without a prototype: number of properties u32, their names, their values |
 * | 16 | object of a known shape: its number u32, the values |
 * | 17 | an object that came before: its number u32, in the order of coming |
 * | 18 | a large map: what it keeps, as a value |
 */

export const NULL = 0
export const UNDEFINED = 1
export const FALSE = 2
export const TRUE = 3
export const INTEGER = 4
export const DOUBLE = 5
export const SHORT_LATIN1 = 6
export const LATIN1 = 7
export const UTF16 = 8
export const BYTES = 9
export const BUFFER = 10
export const ARRAY = 11
export const MAP = 12
export const SET = 13
export const OBJECT = 14
export const BARE_OBJECT = 15
export const SHAPED = 16
export const REFERENCE = 17
export const LARGE_MAP = 18

/** Deeper nesting is refused: it would exhaust the stack. */
export const MAX_DEPTH = 500

/** An object with more properties is a table, not a kind of object; and of kinds there are not many. */
const MAX_NAMES = 64
const MAX_SHAPES = 4_096

export interface Shape {
  readonly names: readonly string[]
  readonly isBare: boolean
}

export class ShapeBook {
  readonly #shapes: Shape[] = []
  readonly #numbers = new Map<string, number>()
  #last = 0

  get(number: number): Shape | undefined {
    return this.#shapes[number]
  }

  /** The number under which these names were noted. */
  numberOf(names: readonly string[], isBare: boolean): number | undefined {
    if (this.#is(this.#last, names, isBare)) return this.#last
    if (names.length > MAX_NAMES) return undefined
    const number = this.#numbers.get(keyOf(names, isBare))
    // Two lists may have one key, where a name holds the separator: the newer one has the place.
    if (number === undefined || !this.#is(number, names, isBare)) return undefined
    this.#last = number
    return number
  }

  /** Names were written, or read, in full: from now on they have a number. */
  note(names: readonly string[], isBare: boolean): void {
    if (names.length > MAX_NAMES || this.#shapes.length >= MAX_SHAPES) return
    this.#numbers.set(keyOf(names, isBare), this.#shapes.length)
    this.#shapes.push({ names, isBare })
  }

  #is(number: number, names: readonly string[], isBare: boolean): boolean {
    const shape = this.#shapes[number]
    if (shape === undefined || shape.isBare !== isBare || shape.names.length !== names.length) return false
    for (let i = 0; i < names.length; i++) if (shape.names[i] !== names[i]) return false
    return true
  }
}

function keyOf(names: readonly string[], isBare: boolean): string {
  return `${isBare ? 'bare' : ''}\0${names.join('\0')}`
}
