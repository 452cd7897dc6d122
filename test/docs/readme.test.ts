/** The component of the README compiles, and does what the README says. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { test } from 'tap'
import { type Component, isComponent } from '../../src/component/definition.js'
import { generateModule } from '../../src/component/generate.js'
import { testComponent } from '../../src/component/test-kit.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
// Below the project, so that `import 'seqcast'` finds the package itself.
const folder = join(root, 'dist', 'readme-check')

function block(language: string): string {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const found = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(readme)?.[1]
  if (found === undefined) throw new Error(`README.md has no ${language} block`)
  return found
}

async function compileReadme(): Promise<Component> {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'generated'), { recursive: true })
  writeFileSync(join(folder, 'counter.proto'), block('proto'))
  writeFileSync(join(folder, 'generated', 'counter.ts'), await generateModule(join(folder, 'counter.proto')))
  writeFileSync(join(folder, 'limit-watch.ts'), block('ts'))
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: '../../tsconfig.json',
      compilerOptions: { rootDir: '.', outDir: '.', incremental: false },
      include: ['.'],
      exclude: [],
    }),
  )
  // `env -u`: without the loaders that the test runner puts into every child process.
  const compiler = join(root, 'node_modules', '.bin', 'tsc')
  const { status, stdout, stderr } = spawnSync('env', ['-u', 'NODE_OPTIONS', compiler, '-p', folder], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${stdout}${stderr}`)
  const module: { component?: unknown } = await import(pathToFileURL(join(folder, 'limit-watch.js')).href)
  if (!isComponent(module.component)) throw new Error('the README exports no component')
  return module.component
}

test('the component of the README compiles and runs', async (t) => {
  const component = await compileReadme()
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const kit = testComponent<unknown, Record<string, unknown>, string>(
    component as Component<unknown, Record<string, unknown>, string>,
  )
  kit.given('Deposited', { account: 'a1', cents: 60_000 })
  t.strictSame(kit.takeCommands(), [])
  kit.given('Deposited', { account: 'a1', cents: 40_000 })
  t.match(kit.takeCommands(), [{ name: 'LimitReached', payload: { account: 'a1' } }])
})
