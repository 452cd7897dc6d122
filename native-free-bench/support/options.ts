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
}

export function readOptions(defaults: { rounds: number; messages: number }): BenchOptions {
  const { values } = parseArgs({
    options: {
      idle: { type: 'string', default: 'spin' },
      bytes: { type: 'string', default: '64' },
      datagram: { type: 'string', default: '1400' },
      rounds: { type: 'string', default: String(defaults.rounds) },
      messages: { type: 'string', default: String(defaults.messages) },
      json: { type: 'boolean', default: false },
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
  }
}

function wholeNumber(name: string, text: string, low: number, high: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= low && value <= high) return value
  throw new Error(`--${name} ${text} is not a whole number from ${low} to ${high}`)
}
