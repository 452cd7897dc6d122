/**
 * Values that are more than plain data and know their own form: digests and checkpoints ask them. By a symbol of the whole process, because two
 * copies of this package may be in one.
 */
export const DIGESTED: unique symbol = Symbol.for('seqcast.digested')
export const KEPT: unique symbol = Symbol.for('seqcast.kept')

export interface OwnForm {
  /** What a digest takes in its place: equal for equal content. */
  [DIGESTED](): Uint8Array
  /** What a checkpoint holds of it: plain data. */
  [KEPT](): unknown
}

export function hasOwnForm(value: object): value is OwnForm & object {
  return DIGESTED in value && KEPT in value
}
