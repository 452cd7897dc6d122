/** The kinds of values in the canonical encoding, one byte each. */
export const NULL = 0
export const UNDEFINED = 1
export const FALSE = 2
export const TRUE = 3
export const INTEGER = 4
export const DOUBLE = 5
export const ASCII = 6
export const UTF16 = 7
export const BYTES = 8
export const ARRAY = 9
export const OBJECT = 10
export const MAP = 11
export const SET = 12
/** What knows its own form (large/own-form.ts): it is told in bytes, and can't be read from them. */
export const OWN_FORM = 13
