/** The guide to the simulation: its example compiles and runs, and it names what there is. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { Prng } from '../../src/core/prng.js'
import { drawSchedule } from '../../src/sim/schedule.js'
import { drawTopology } from '../../src/sim/topology.js'
import { blocksOf, commandsOf, execute, newcomersDirectory, root } from './documents.js'

const GUIDE = 'docs/SIMULATION.md'

test('the example of the guide', (t) => {
  const directory = newcomersDirectory()
  t.teardown(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
  const [example = ''] = blocksOf(GUIDE, 'ts')
  writeFileSync(join(directory, 'simulated.ts'), example)
  execute('npx tsc --module nodenext --types node --strict --noUncheckedIndexedAccess simulated.ts', directory)
  t.match(execute('node simulated.js', directory), '5 runs, 0 violations')
  t.end()
})

test('every flag and every fault is there', (t) => {
  const help = execute('node dist/scripts/sim.js --help', root)
  for (const command of commandsOf(GUIDE)) {
    for (const [flag] of command.matchAll(/--[a-z]+/g)) t.ok(help.includes(flag), flag)
  }
  const text = readFileSync(join(root, GUIDE), 'utf8')
  const kinds = new Set<string>()
  for (let seed = 0; seed < 300; seed++) {
    const prng = new Prng(seed)
    const topology = drawTopology(prng, [{ name: 'a', replicas: 2 }])
    for (const { kind } of drawSchedule(prng, topology, { fromUs: 0, toUs: 1 })) kinds.add(kind)
  }
  for (const kind of kinds) t.ok(text.includes(`\`${kind}\``), kind)
  t.end()
})
