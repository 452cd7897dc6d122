/**
 * Kinds of configuration fields, each with words for a user that say what is allowed: the schema's own words are for
 * programmers.
 */
import { z } from 'zod'
import { LOG_LEVELS } from './logger.js'

/** A whole number in a range. */
export function whole(min: number, max = Number.MAX_SAFE_INTEGER, note = '') {
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`
  const words = `a whole number ${range}${note}`
  return z.coerce.number(words).int(words).min(min, words).max(max, words)
}

export const port = whole(0, 65_535, ' (0 takes a free one)')
export const positive = z.coerce.number('a number above 0').gt(0, 'a number above 0')
const probabilityWords = 'a probability from 0 to 1'
export const probability = z.coerce.number(probabilityWords).min(0, probabilityWords).max(1, probabilityWords)
export const text = z.string('text')
export const flag = z.boolean('true or false')
const nameWords = 'a name of letters, digits, dots, dashes and underscores, 1 to 64'
export const name = z.string(nameWords).regex(/^[A-Za-z0-9._-]{1,64}$/, nameWords)
const voterWords = 'letters, digits, dots, dashes and underscores, at most 64'
export const voter = z.string(voterWords).regex(/^[A-Za-z0-9._-]{0,64}$/, voterWords)

const timeWords = 'a time of day in UTC as HH:MM'
export const timeOfDay = z.string(timeWords).regex(/^([01]\d|2[0-3]):[0-5]\d$/, timeWords)

export function oneOf<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, `one of ${values.join(', ')}`)
}

export const logLevel = oneOf(LOG_LEVELS)
