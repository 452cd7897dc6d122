/** The README's steps work as printed: schema, component, generate, compile; and the component does what the README says. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'tap'
import { type Component, isComponent } from '../../src/component/definition.js'
import { testComponent } from '../../src/component/test-kit.js'
import { blocksOf, commandsOf, execute, newcomersDirectory, root } from './documents.js'

const INSTALL = /^npm install \.\.\/seqcast typescript@(\S+)$/
/** Those that need no network and no other terminal, in the order of the page. */
const TRIED = /^(npm init|npx seqcast generate|npx tsc) /

function build(directory: string): void {
  writeFileSync(join(directory, 'counter.proto'), blocksOf('README.md', 'proto')[0] ?? '')
  writeFileSync(join(directory, 'limit-watch.ts'), blocksOf('README.md', 'ts')[0] ?? '')
  for (const command of commandsOf('README.md')) if (TRIED.test(command)) execute(command, directory)
}

test('the steps of the README, as printed', async (t) => {
  const commands = commandsOf('README.md')
  t.equal(commands.filter((command) => TRIED.test(command)).length, 3)
  const install = commands.map((command) => INSTALL.exec(command)).find((found) => found !== null)
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  t.equal(install?.[1], devDependencies.typescript, 'the compiler that this project uses')

  const directory = newcomersDirectory()
  t.teardown(() => rmSync(directory, { recursive: true }))
  build(directory)
  const module: { component?: unknown } = await import(pathToFileURL(join(directory, 'limit-watch.js')).href)
  const { component } = module
  if (!isComponent(component)) throw new Error('the README exports no component')
  const kit = testComponent<unknown, Record<string, unknown>, string>(
    component as Component<unknown, Record<string, unknown>, string>,
  )
  kit.given('Deposited', { account: 'a1', cents: 60_000 })
  t.strictSame(kit.takeCommands(), [])
  kit.given('Deposited', { account: 'a1', cents: 40_000 })
  t.match(kit.takeCommands(), [{ name: 'LimitReached', payload: { account: 'a1' } }])
})
