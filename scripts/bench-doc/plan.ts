/** What is run for the document, in which order. A scenario that is not there is left out, with a word about it. */
import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseResults, type Result } from './results.js'

interface Step {
  /** A scenario of native-free-bench, or a bench of `seqcast`. */
  readonly of: 'bench' | 'seqcast bench'
  readonly name: string
  readonly args: readonly string[]
  /** More for a short run. */
  readonly short: readonly string[]
  /** Whether it writes histograms. */
  readonly out?: boolean
}

const FEW = ['--rounds', '3']
const RTT_SHORT = ['--rounds', '5', '--messages', '5000']

export const STEPS: readonly Step[] = [
  { of: 'bench', name: 'floor', args: ['--idle', 'spin'], short: FEW },
  { of: 'bench', name: 'floor', args: ['--idle', 'block'], short: FEW },
  ...['spin', 'block'].flatMap((idle) =>
    [64, 1024].flatMap((bytes) =>
      [0, 2].map(
        (standbys): Step => ({
          of: 'bench',
          name: 'rtt',
          args: ['--idle', idle, '--bytes', `${bytes}`, '--standbys', `${standbys}`],
          short: RTT_SHORT,
          out: true,
        }),
      ),
    ),
  ),
  { of: 'seqcast bench', name: 'rtt', args: [], short: ['--rounds', '5', '--messages', '2000'], out: true },
  { of: 'bench', name: 'load', args: [], short: ['--rounds', '9'], out: true },
  ...['1400', '8972', '65507'].map(
    (datagram): Step => ({ of: 'bench', name: 'throughput', args: ['--datagram', datagram], short: ['--rounds', '5'] }),
  ),
  ...['1400', '8972'].map(
    (datagram): Step => ({ of: 'bench', name: 'throughput-embedded', args: ['--datagram', datagram], short: FEW }),
  ),
  { of: 'seqcast bench', name: 'store', args: [], short: [...FEW, '--events', '2000000'] },
  { of: 'seqcast bench', name: 'rewind', args: [], short: [...FEW, '--events', '2000000'] },
  { of: 'bench', name: 'rewind', args: [], short: FEW },
  { of: 'bench', name: 'codec', args: [], short: FEW },
  { of: 'bench', name: 'idle', args: ['--idle', 'block'], short: FEW },
  { of: 'bench', name: 'soak', args: ['--events', '50000000'], short: [], out: true },
  { of: 'bench', name: 'peers', args: ['--idle', 'block'], short: [...FEW, '--stored', '20000'], out: true },
]

export interface PlanOptions {
  readonly root: string
  /** Where `.hgrm` files go. */
  readonly histograms: string
  readonly short: boolean
  /** Names to run; empty: all. */
  readonly only: readonly string[]
}

/** Runs one step after the other. @returns the results; what failed or is missing is said on stderr */
export async function runPlan(options: PlanOptions): Promise<Result[]> {
  const results: Result[] = []
  for (const step of STEPS) {
    if (options.only.length > 0 && !options.only.includes(step.name)) continue
    results.push(...(await runStep(step, options)))
  }
  return results
}

async function runStep(step: Step, { root, histograms, short }: PlanOptions): Promise<Result[]> {
  const isOwn = step.of === 'seqcast bench'
  const program = isOwn ? 'src/cli/seqcast.js' : `native-free-bench/${step.name}.js`
  const path = join(root, 'dist', program)
  if (!existsSync(path)) {
    say(`${step.name}: there is no such scenario`)
    return []
  }
  const args = [...(isOwn ? ['bench', step.name] : []), ...step.args, ...(short ? step.short : [])]
  const command = isOwn ? `seqcast ${args.join(' ')}` : `npm run bench -- ${[step.name, ...args].join(' ')}`
  say(command)
  const out = mkdtempSync(join(tmpdir(), 'bench-doc-'))
  try {
    const output = await run(path, [...args, '--json', ...(step.out === true ? ['--out', out] : [])])
    for (const file of readdirSync(out).filter((name) => name.endsWith('.hgrm'))) {
      copyFileSync(join(out, file), join(histograms, `${isOwn ? 'seqcast-' : ''}${file}`))
    }
    return parseResults(output, command.trim())
  } catch (error) {
    say(`${command}: ${error instanceof Error ? error.message : String(error)}`)
    return []
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

function run(path: string, args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text: string) => {
    output += text
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`ended with ${code}`))))
  })
}

function say(text: string): void {
  process.stderr.write(`bench-doc: ${text}\n`)
}
