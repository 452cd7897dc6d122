/**
 * Regenerates src/examples/<name>/generated/<file>.ts from each .proto file beside it. Run it after a build:
 * `node scripts/generate-examples.js`. With `--check` it writes nothing and fails where a module is out of date.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateModule } from '../dist/src/component/generate.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const examples = join(root, 'src', 'examples')
const isCheck = process.argv.includes('--check')

const protos = (await readdir(examples, { recursive: true })).filter((path) => path.endsWith('.proto')).sort()
let outOfDate = 0
for (const proto of protos) {
  const path = join(examples, proto)
  const target = join(dirname(path), 'generated', `${basename(path, '.proto')}.ts`)
  const text = await generateModule(path)
  const before = await readFile(target, 'utf8').catch(() => undefined)
  if (before === text) continue
  if (isCheck) {
    outOfDate++
    process.stderr.write(`${target} is out of date: run node scripts/generate-examples.js\n`)
    continue
  }
  await mkdir(dirname(target), { recursive: true })
  await writeFile(target, text)
  process.stderr.write(`${target} written\n`)
}
if (outOfDate > 0) process.exitCode = 1
