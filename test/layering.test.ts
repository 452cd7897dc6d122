/**
 * The direction of imports is a test, not a hope: each folder of src may import only what the design lets it, the sans-io
 * layers touch neither node nor time, and a few things have exactly one home.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const src = join(root, 'src')

const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  wire: ['core'],
  protocol: ['core', 'wire'],
  net: ['core'],
  store: ['core', 'wire', 'protocol'],
  component: ['core', 'wire', 'protocol'],
  runtime: ['core', 'wire', 'protocol', 'net', 'store', 'component'],
  replay: ['core', 'wire', 'protocol', 'store', 'component'],
  // Not in the design: components that write to databases.
  projection: ['core', 'wire', 'protocol', 'net', 'store', 'component', 'runtime'],
  // Nor this: the simulation runs the very roles that users run, on sockets and time of its own.
  sim: ['core', 'wire', 'protocol', 'net', 'store', 'component', 'runtime', 'replay'],
  cli: [
    ...['core', 'wire', 'protocol', 'net', 'store', 'component', 'runtime', 'replay', 'projection', 'sim', 'examples'],
  ],
  examples: [],
  // index.ts, the public API.
  '': ['core', 'wire', 'protocol', 'net', 'store', 'component', 'runtime', 'replay', 'projection', 'sim'],
}
const SANS_IO = ['core', 'wire', 'protocol', 'sim']

interface SourceFile {
  readonly name: string
  readonly layer: string
  readonly code: string
  readonly imports: readonly string[]
}

const files: readonly SourceFile[] = readdirSync(src, { recursive: true })
  .map(String)
  .filter((name) => name.endsWith('.ts'))
  .map((name) => {
    const code = readFileSync(join(src, name), 'utf8')
    const imports = [...code.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '')
    return { name, layer: name.includes('/') ? (name.split('/')[0] ?? '') : '', code: withoutComments(code), imports }
  })

function withoutComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}

function layerOf(file: SourceFile, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  const target = relative(src, join(src, dirname(file.name), specifier))
  return target.includes('/') ? target.split('/')[0] : ''
}

test('each layer imports only what the design lets it', (t) => {
  t.ok(files.length > 20, 'the sources were found')
  for (const file of files) {
    const allowed = MAY_IMPORT[file.layer]
    if (allowed === undefined) {
      t.fail(`${file.name}: the folder has no place in the layering`)
      continue
    }
    const wrong = file.imports.filter((specifier) => {
      const layer = layerOf(file, specifier)
      return layer !== undefined && layer !== file.layer && !allowed.includes(layer)
    })
    if (wrong.length > 0) t.fail(`${file.name} imports ${wrong.join(', ')}`)
  }
  t.end()
})

test('store sees only the interfaces of protocol', (t) => {
  for (const file of files.filter((f) => f.layer === 'store')) {
    const values = [...file.code.matchAll(/import\s+(?!type)([^'"]*?)from\s*'([^']*\/protocol\/[^']*)'/g)]
    t.strictSame(
      values.map((match) => match[2]),
      [],
      file.name,
    )
  }
  t.end()
})

test('the sans-io layers touch neither node nor time nor the console', (t) => {
  for (const file of files.filter((f) => SANS_IO.includes(f.layer))) {
    if (file.name === 'core/clock.ts') continue
    t.strictSame(
      file.imports.filter((specifier) => specifier.startsWith('node:')),
      [],
      `${file.name} imports nothing of node`,
    )
    const touched = file.code.match(
      /\b(Date\.now|new Date\b|performance\.|setTimeout|setInterval|setImmediate|process\.(?:nextTick|hrtime|uptime|env|argv|exit|std)|console\.|Math\.random)/,
    )
    t.equal(touched?.[0], undefined, `${file.name} reads no clock and holds no timer`)
  }
  t.end()
})

test('things that have one home', (t) => {
  const where = (pattern: RegExp): string[] => files.filter((f) => pattern.test(f.code)).map((f) => f.name)
  t.strictSame(where(/['"]lmdb['"]/), ['store/lmdb-environment.ts'], 'one file knows lmdb')
  const outsideCli = (names: string[]): string[] => names.filter((name) => !name.startsWith('cli/'))
  t.strictSame(
    outsideCli(where(/\bprocess\.(exit|env|argv)\b/)),
    [],
    'only the command line exits or reads the environment',
  )
  t.strictSame(where(/export default\b/), [], 'no default exports')
  t.strictSame(
    where(/^export (?:\*|\{[^}]*\}|type \{[^}]*\}) from '\./m).filter((name) => name !== 'index.ts'),
    [],
    'only index.ts re-exports',
  )
  t.strictSame(where(/\bEventEmitter\b/), [], 'no emitters')
  t.strictSame(where(/:\s*any\b|\bas any\b|<any>/), [], 'no any')
  t.end()
})

test('examples import the package by its name, as a user would', (t) => {
  for (const file of files.filter((f) => f.layer === 'examples')) {
    const foreign = file.imports.filter(
      (specifier) => specifier.startsWith('.') && layerOf(file, specifier) !== 'examples',
    )
    t.strictSame(foreign, [], file.name)
  }
  t.end()
})

test('tests that start systems are in folders of which one file runs at a time', (t) => {
  const runner = readFileSync(join(root, 'scripts', 'test.js'), 'utf8')
  const list = /const SYSTEMS = \[(.*)\]/.exec(runner)?.[1] ?? ''
  const systems = [...list.matchAll(/'([^']+)'/g)].map((match) => match[1] ?? '')
  t.ok(systems.length > 0, 'the folders were found')
  // Commands, a sequencer with a store, or a server: these may run beside a system.
  const others = ['cli', 'projection', 'runtime']
  const starts = new RegExp(`^(?:(?:${systems.join('|')})/|fixtures/(?:processes|etcd|postgres)\\.js$)`)
  for (const name of readdirSync(join(root, 'test'), { recursive: true }).map(String)) {
    if (!name.endsWith('.test.ts') || [...systems, ...others].some((folder) => name.startsWith(`${folder}/`))) continue
    const code = readFileSync(join(root, 'test', name), 'utf8')
    const imports = [...code.matchAll(/from '(\.[^']+)'/g)].map((match) => join(dirname(name), match[1] ?? ''))
    t.strictSame(
      imports.filter((path) => starts.test(path)),
      [],
      name,
    )
  }
  t.end()
})
