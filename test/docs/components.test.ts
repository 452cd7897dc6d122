/** Every block of the guide to components compiles, under the strictest options, and its tests pass. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { blocksOf, commandsOf, execute, newcomersDirectory } from './documents.js'

const GUIDE = 'docs/COMPONENTS.md'
const STRICT =
  '--strict --noUncheckedIndexedAccess --exactOptionalPropertyTypes --verbatimModuleSyntax --noUnusedLocals --noUnusedParameters'

/** A block begins with its name, as `// till.ts`. */
function save(directory: string, language: string): string[] {
  return blocksOf(GUIDE, language).map((block) => {
    const name = /^\/\/ ([a-z.]+)\n/.exec(block)?.[1]
    if (name === undefined) throw new Error(`${GUIDE}: a block without a name: ${block}`)
    writeFileSync(join(directory, name), block)
    return name
  })
}

test('the guide to components', (t) => {
  const directory = newcomersDirectory()
  t.teardown(() => rmSync(directory, { recursive: true }))
  mkdirSync(join(directory, 'generated'))
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
  for (const proto of save(directory, 'proto')) {
    const out = `generated/${proto.replace('.proto', '.ts')}`
    t.equal(execute(`npx seqcast generate ${proto} --out ${out}`, directory).includes(`wrote ${out}`), true, proto)
  }
  const modules = save(directory, 'ts')
  t.ok(modules.length >= 6, 'the blocks were found')
  execute(`npx tsc --module nodenext --types node ${STRICT} ${modules.join(' ')}`, directory)

  const printed = commandsOf(GUIDE)
  t.equal(printed.length, 3)
  for (const command of printed) execute(command, directory)
  t.end()
})
