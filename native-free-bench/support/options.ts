/** The flags that every scenario takes. */
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { requireOneDatagram } from '../../src/cli/bench/one-datagram.js'
import { prepareDirectory } from '../../src/cli/output-directory.js'
import { messageOf, SeqcastError } from '../../src/core/errors.js'
import { MAX_DATAGRAM_BYTES, MIN_DATAGRAM_BYTES } from '../../src/core/limits.js'

/** As it is typed. */
const COMMAND = `npm run bench -- ${basename(process.argv[1] ?? '', '.js')}`

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
  /** A directory for the histograms, which is there; or undefined. */
  readonly out: string | undefined
  /** The scenario's own numbers, by flag. */
  readonly more: Readonly<Record<string, number>>
}

/** A flag whose value is a whole number. */
export interface NumberOption {
  readonly what: string
  readonly value: number
  readonly low: number
  readonly high: number
}

type NumberOptions = Readonly<Record<string, NumberOption>>
type Idle = BenchOptions['idle']
type Values = Readonly<Record<string, unknown>>

/**
 * Reads the command line. What is wrong with it ends the process with a message and its status, and `--help` with the flags.
 */
export function readOptions(
  defaults: { rounds: number; messages: number; idle?: Idle },
  more: NumberOptions = {},
): BenchOptions {
  const { rounds, messages, idle = 'spin' } = defaults
  const common = {
    bytes: { what: 'payload of a command', value: 64, low: 0, high: 60_000 },
    datagram: { what: 'largest datagram', value: 1_400, low: MIN_DATAGRAM_BYTES, high: MAX_DATAGRAM_BYTES },
    rounds: { what: 'rounds that count', value: rounds, low: 1, high: 1_000 },
    messages: { what: 'messages a round', value: messages, low: 100, high: 10_000_000 },
  }
  try {
    const values = parse({ ...common, ...more }, idle)
    if (values.help === true) {
      process.stdout.write(help({ ...common, ...more }, idle))
      process.exit(0)
    }
    return checked(values, common, more)
  } catch (error) {
    if (!(error instanceof SeqcastError)) throw error
    process.stderr.write(`error ${error.code}: ${error.message}\n  ${error.hint ?? `see ${COMMAND} --help`}\n`)
    process.exit(error.exitStatus)
  }
}

function parse(numbers: NumberOptions, idle: Idle): Values {
  const flags = Object.entries(numbers).map(
    ([name, { value }]) => [name, { type: 'string', default: `${value}` }] as const,
  )
  try {
    const { values } = parseArgs({
      options: {
        ...Object.fromEntries(flags),
        idle: { type: 'string', default: idle },
        out: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    return values
  } catch (error) {
    // Node's first sentence says what is wrong.
    throw new SeqcastError('E_USAGE', messageOf(error).split('. ')[0] ?? '', { cause: error })
  }
}

function checked(
  values: Values,
  common: Readonly<Record<'bytes' | 'datagram' | 'rounds' | 'messages', NumberOption>>,
  more: NumberOptions,
): BenchOptions {
  const { idle, out, json } = values
  if (idle !== 'spin' && idle !== 'block')
    throw new SeqcastError('E_CONFIG', `--idle is "${idle}", and must be spin or block`)
  const read = (name: string, option: NumberOption): number => wholeNumber(name, String(values[name]), option)
  const options: BenchOptions = {
    idle,
    bytes: read('bytes', common.bytes),
    datagram: read('datagram', common.datagram),
    rounds: read('rounds', common.rounds),
    messages: read('messages', common.messages),
    json: json === true,
    out: typeof out === 'string' ? out : undefined,
    more: Object.fromEntries(Object.entries(more).map(([name, option]) => [name, read(name, option)])),
  }
  requireOneDatagram(options.bytes, options.datagram)
  if (options.out !== undefined) prepareDirectory('--out', options.out)
  return options
}

function wholeNumber(name: string, text: string, { low, high }: NumberOption): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isInteger(value) && value >= low && value <= high) return value
  throw new SeqcastError('E_CONFIG', `--${name} is "${text}", and must be a whole number from ${low} to ${high}`)
}

function help(numbers: NumberOptions, idle: Idle): string {
  const rows = [
    ...Object.entries(numbers).map(([name, { what, value, low, high }]) => [
      `--${name} <n>`,
      `${what}, ${low} to ${high} (default: ${value})`,
    ]),
    ['--idle <mode>', `spin or block (default: ${idle})`],
    ['--out <dir>', 'write the histograms there, as .hgrm and .hlog, where the scenario has any'],
    ['--json', 'one JSON object a line, for machines'],
    ['-h, --help', 'these flags'],
  ]
  const width = Math.max(...rows.map(([flag = '']) => flag.length))
  const lines = rows.map(([flag = '', what = '']) => `  ${flag.padEnd(width)}  ${what}`)
  return `usage: ${COMMAND} [options]\n\nA flag that the scenario has no use for changes nothing.\n\n${lines.join('\n')}\n`
}
