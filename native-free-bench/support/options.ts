/** The flags that every scenario takes. */
import { parseArgs } from 'node:util'

export interface BenchOptions {
  readonly idle: 'spin' | 'block'
  /** Payload of a command. */
  readonly bytes: number
  /** Largest UDP payload. */
  readonly datagram: number
  readonly rounds: number
  /** Messages a round. */
  readonly messages: number
  readonly json: boolean
  /** A directory for the histograms, or undefined. */
  readonly out: string | undefined
  /** The scenario's own numbers, by flag. */
  readonly more: Readonly<Record<string, number>>
}

/** A flag that one scenario has: a whole number. */
export interface MoreOption {
  readonly value: number
  readonly low: number
  readonly high: number
}

export function readOptions(
  defaults: { rounds: number; messages: number; idle?: 'spin' | 'block' },
  more: Readonly<Record<string, MoreOption>> = {},
): BenchOptions {
  // Typed as an object, because the compiler would forget the flags below beside an index signature.
  const moreFlags: object = Object.fromEntries(
    Object.entries(more).map(([name, { value }]) => [name, { type: 'string', default: `${value}` }]),
  )
  const { values } = parseArgs({
    options: {
      ...moreFlags,
      idle: { type: 'string', default: defaults.idle ?? 'spin' },
      bytes: { type: 'string', default: '64' },
      datagram: { type: 'string', default: '1400' },
      rounds: { type: 'string', default: String(defaults.rounds) },
      messages: { type: 'string', default: String(defaults.messages) },
      json: { type: 'boolean', default: false },
      out: { type: 'string' },
    },
  })
  if (values.idle !== 'spin' && values.idle !== 'block')
    throw new Error(`--idle ${values.idle} is neither spin nor block`)
  return {
    idle: values.idle,
    bytes: wholeNumber('bytes', values.bytes, 0, 60_000),
    datagram: wholeNumber('datagram', values.datagram, 256, 65_507),
    rounds: wholeNumber('rounds', values.rounds, 1, 1000),
    messages: wholeNumber('messages', values.messages, 100, 10_000_000),
    json: values.json,
    out: values.out,
    more: moreValues(more, values),
  }
}

function moreValues(
  more: Readonly<Record<string, MoreOption>>,
  values: Readonly<Record<string, unknown>>,
): Readonly<Record<string, number>> {
  const read = Object.entries(more).map(([name, { low, high }]) => [
    name,
    wholeNumber(name, String(values[name]), low, high),
  ])
  return Object.fromEntries(read)
}

function wholeNumber(name: string, text: string, low: number, high: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= low && value <= high) return value
  throw new Error(`--${name} ${text} is not a whole number from ${low} to ${high}`)
}
