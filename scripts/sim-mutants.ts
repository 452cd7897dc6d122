/**
 * `npm run sim-mutants`: breaks the runtime in each of the known ways, in a copy, and runs the simulation on it until a checker
 * finds it. The seed that found it must be a good run of the runtime as it is. Ends with 1 where a mutant gets away.
 */
import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import type { Caught } from './sim/mutant-child.js'
import { makeMutant } from './sim/mutant-copy.js'
import { MUTANTS, type Mutant } from './sim/mutants.js'

const USAGE = `usage: npm run sim-mutants -- [options]

  --seed N     the first seed (default 1)
  --runs K     a mutant that is not found in so many runs has got away (default 500)
  --only NAME  this mutant only: ${MUTANTS.map(({ name }) => name).join(', ')}
  --json       one JSON object for each mutant on stdout
`

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '500' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const scripts = dirname(fileURLToPath(import.meta.url))
const dist = dirname(scripts)

if (values.help) process.stdout.write(USAGE)
else process.exitCode = await main()

async function main(): Promise<number> {
  const mutants = MUTANTS.filter(({ name }) => values.only === undefined || name === values.only)
  if (mutants.length === 0) {
    process.stderr.write(`there is no mutant '${values.only}'\n${USAGE}`)
    return 2
  }
  let escaped = 0
  for (const mutant of mutants) {
    const caught = await hunt(join(makeMutant(dist, mutant)))
    if (caught.seed === undefined) escaped++
    say(mutant, caught)
  }
  return escaped === 0 ? 0 : 1
}

/** Runs the copy until it breaks a guarantee in a run that is good without the mutant; others prove nothing. */
async function hunt(copy: string): Promise<Caught> {
  const [first, most] = [Number(values.seed), Number(values.runs)]
  for (let runs = 0; runs < most; ) {
    const caught = await simulated(copy, first + runs, most - runs)
    runs += caught.runs
    if (caught.seed === undefined) break
    const { seed } = await simulated(join(dist, 'src'), caught.seed, 1)
    if (seed === undefined) return { ...caught, runs }
  }
  return { runs: most }
}

async function simulated(source: string, seed: number, runs: number): Promise<Caught> {
  const child = join(scripts, 'sim/mutant-child.js')
  const { stdout } = await promisify(execFile)(process.execPath, [child, source, `${seed}`, `${runs}`])
  return JSON.parse(stdout) as Caught
}

function say({ name, what }: Mutant, { runs, seed, guarantee, message }: Caught): void {
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ name, what, runs, seed, guarantee, message })}\n`)
    return
  }
  const verdict =
    seed === undefined ? `NOT FOUND in ${runs} runs` : `found by ${guarantee} in run ${runs} (seed ${seed})`
  process.stdout.write(
    `${name}: ${what}\n    ${verdict}${message === undefined ? '' : `\n    ${message.split('\n')[0]}`}\n`,
  )
}
