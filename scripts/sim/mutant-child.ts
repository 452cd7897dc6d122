/** `node mutant-child.js SRC SEED RUNS`: runs the simulation of the copy in SRC until a guarantee is broken, and says which. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as Simulation from '../../src/sim/simulate.js'

export interface Caught {
  /** How many runs it took, the one that found it included; all of them where none did. */
  readonly runs: number
  readonly seed?: number
  readonly guarantee?: string
  readonly message?: string
}

let failNow: (error: unknown) => void = () => {}
process.on('unhandledRejection', (error) => failNow(error))

const [source = '', seed = '1', runs = '500'] = process.argv.slice(2)
const { simulate } = (await import(pathToFileURL(join(source, 'sim/simulate.js')).href)) as typeof Simulation

let caught: Caught = { runs: Number(runs) }
let done = 0
await simulate({
  seed: Number(seed),
  runs: Number(runs),
  shrinkTries: 0,
  onStart: (_seed, fail) => {
    failNow = fail
  },
  onRun: ({ seed, violation }) => {
    done++
    if (violation === undefined) return true
    caught = { runs: done, seed, guarantee: violation.guarantee, message: violation.message }
    return false
  },
})
process.stdout.write(`${JSON.stringify(caught)}\n`)
process.exit(0)
