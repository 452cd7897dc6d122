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
    const caught = await hunt(join(makeMutant(dist, mutant)), values.seed, values.runs)
    const isGood =
      caught.seed === undefined || (await hunt(join(dist, 'src'), String(caught.seed), '1')).seed === undefined
    if (caught.seed === undefined || !isGood) escaped++
    say(mutant, caught, isGood)
  }
  return escaped === 0 ? 0 : 1
}

async function hunt(source: string, seed: string, runs: string): Promise<Caught> {
  const child = join(scripts, 'sim/mutant-child.js')
  const { stdout } = await promisify(execFile)(process.execPath, [child, source, seed, runs], { maxBuffer: 1 << 24 })
  return JSON.parse(stdout) as Caught
}

function say({ name, what }: Mutant, { runs, seed, guarantee, message }: Caught, isGood: boolean): void {
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ name, what, runs, seed, guarantee, message, isGood })}\n`)
    return
  }
  const verdict =
    seed === undefined ? `NOT FOUND in ${runs} runs` : `found by ${guarantee} in run ${runs} (seed ${seed})`
  const doubt = isGood ? '' : '\n    but the same run fails without the mutant, too'
  process.stdout.write(`${name}: ${what}\n    ${verdict}${doubt}${message === undefined ? '' : `\n    ${message}`}\n`)
}
