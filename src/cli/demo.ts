/** `seqcast demo`: the main job: an order management system on real processes, with a proof at the end. */
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { SeqcastError } from '../core/errors.js'
import { flagOf, readConfiguration, roleOptions } from './configuration.js'
import { print } from './output.js'
import { addFaultOptions, addStreamOptions } from './stream-options.js'

const DEFAULT_ORDERS = 10_000
const DEFAULT_DIRECTORY = 'seqcast-data'

export const demoCommand = new Command('demo')
  .description('an order management system on a full topology of real processes, verified by itself')
  .option('--input <file>', 'BinaryFILE of TotalView-ITCH 5.0 (default: one made from --seed)')
  .option('--orders <n>', `orders of the file that is made (default: ${DEFAULT_ORDERS})`)
  .option('--seed <n>', 'seed of the file that is made (default: 1)')
  .option('--rate <n>', 'messages a second (default: as fast as they are taken)')
  .option('--dir <dir>', `where the recordings and logs go (default: ${DEFAULT_DIRECTORY}/SESSION)`)
  .option(
    '--kill <name@fraction...>',
    'kill -9 a process at that part of the input (default: 0.5), e.g. store-a@0.3 exchange-gateway',
  )
  .action(async (flags: Record<string, unknown>) => {
    const { input, orders, seed, rate, kill, ...others } = flags
    const { chooseGroups, COMPONENTS, STORES } = await import('./demo/topology.js')
    const replicas = COMPONENTS.flatMap((name) => [name, `${name}/a`, `${name}/b`])
    const processes = ['sequencer', ...STORES, ...replicas]
    const kills = Array.isArray(kill) ? kill.map((text) => parseKill(String(text), processes)) : []
    const { runDemo } = await import('./demo/run-demo.js')
    const { createProgress } = await import('./demo/progress.js')
    const { demoText } = await import('./demo/report.js')
    const groups = await chooseGroups()
    const configuration = readConfiguration({ session: freshSession(), ...groups, ...others })
    const directory = resolve(configuration.dir ?? join(DEFAULT_DIRECTORY, configuration.session))
    const streamArgs = streamArguments({ ...groups, ...others, session: configuration.session, json: true })
    const startedMs = performance.now()
    const result = await runDemo(
      {
        role: roleOptions({ ...configuration, logLevel: 'warn' }, 'demo'),
        topology: {
          session: configuration.session,
          directory,
          inputFile: typeof input === 'string' ? resolve(input) : join(directory, 'input.itch50'),
          rate: rate === undefined ? undefined : positive('rate', rate),
          streamArgs,
        },
        generate:
          input === undefined
            ? { orders: positive('orders', orders ?? DEFAULT_ORDERS), seed: positive('seed', seed ?? 1) }
            : undefined,
        kills,
      },
      createProgress(configuration.json),
    )
    print(configuration.json, result, () => demoText(result, (performance.now() - startedMs) / 1000))
    if (!result.verified) throw new SeqcastError('E_DEMO', `the proof failed: ${result.problems.join('; ')}`)
  })
addStreamOptions(demoCommand)
addFaultOptions(demoCommand)

/** Ten characters that no earlier demo has used: the time to the millisecond. */
function freshSession(): string {
  return `D${Date.now().toString(36).toUpperCase()}`.slice(0, 10)
}

/** The flags of the streams, for the processes that the demo starts. */
function streamArguments(values: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => {
    if (name === 'dir' || value === undefined || value === false) return []
    return value === true ? [flagOf(name)] : [flagOf(name), String(value)]
  })
}

function positive(name: string, value: unknown): number {
  const number = Number(value)
  if (Number.isFinite(number) && number > 0) return number
  throw new SeqcastError('E_USAGE', `--${name} ${value} is not a number above 0`)
}

function parseKill(text: string, processes: readonly string[]): { name: string; at: number } {
  const [name = '', fraction = '0.5', ...rest] = text.split('@')
  const at = Number(fraction)
  if (!processes.includes(name)) {
    throw new SeqcastError('E_USAGE', `--kill ${text}: the demo has no process '${name}'`, {
      hint: `it has ${processes.join(', ')}; a component without /a or /b is its active replica`,
    })
  }
  if (fraction !== '' && rest.length === 0 && at >= 0 && at < 1) return { name, at }
  throw new SeqcastError('E_USAGE', `--kill ${text}: '${fraction}' is not a part of the input, from 0 up to 1`, {
    hint: `for example ${name}@0.3`,
  })
}
