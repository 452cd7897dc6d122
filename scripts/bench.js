/** `npm run bench -- NAME [options]`: one scenario of native-free-bench, with whatever set-up is missing done first. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureBuilt, root } from './build.js'

ensureBuilt()
const [name = '', ...args] = process.argv.slice(2)
const folder = join(root, 'dist', 'native-free-bench')
const program = join(folder, `${name}.js`)
// Without a name the list is what was asked for.
if (name === '' || name === '--help' || name === '-h') {
  process.stdout.write(usage())
  process.exit(0)
}
if (!/^[a-z-]+$/.test(name) || !existsSync(program)) {
  process.stderr.write(`error E_USAGE: there is no scenario '${name}'\n${usage()}`)
  process.exit(2)
}
const child = spawn(process.execPath, [program, ...args], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('exit', (code) => process.exit(code ?? 1))

function usage() {
  return `usage: npm run bench -- NAME [options]\n\n${scenarios().join('\n')}\n\nThe flags of one: npm run bench -- NAME --help\n`
}

/** The name of each, and the first sentence that its source says of itself, in two columns. */
function scenarios() {
  const folder = join(root, 'native-free-bench')
  const names = readdirSync(folder)
    .flatMap((file) => file.match(/^([a-z-]+)\.ts$/)?.[1] ?? [])
    .sort()
  const width = Math.max(...names.map((name) => name.length))
  return names.map((name) => {
    const comment = /^\/\*\*([\s\S]*?)\*\//.exec(readFileSync(join(folder, `${name}.ts`), 'utf8'))?.[1] ?? ''
    const text = comment.replace(/\s*\n \*\s*/g, ' ').trim()
    const sentence = /^.*?\.(?=\s|$)/.exec(text)?.[0] ?? text
    const lines = sentence.match(/.{1,90}(?:\s|$)/g) ?? []
    return `  ${name.padEnd(width)}  ${lines.map((line) => line.trim()).join(`\n${' '.repeat(width + 4)}`)}`
  })
}
