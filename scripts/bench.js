/** `npm run bench -- NAME [options]`: one scenario of native-free-bench, with whatever set-up is missing done first. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureBuilt, root } from './build.js'

ensureBuilt()
const [name = '', ...args] = process.argv.slice(2)
const folder = join(root, 'dist', 'native-free-bench')
const program = join(folder, `${name}.js`)
if (!/^[a-z-]+$/.test(name) || !existsSync(program)) {
  process.stderr.write(`usage: npm run bench -- NAME [options]\n${scenarios().join('\n')}\n`)
  process.exit(2)
}
const child = spawn(process.execPath, [program, ...args], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('exit', (code) => process.exit(code ?? 1))

/** A line each: the name, and the first sentence that the scenario's source says of itself. */
function scenarios() {
  const folder = join(root, 'native-free-bench')
  const names = readdirSync(folder).flatMap((file) => file.match(/^([a-z-]+)\.ts$/)?.[1] ?? [])
  return names.map((name) => {
    const comment = /^\/\*\*([\s\S]*?)\*\//.exec(readFileSync(join(folder, `${name}.ts`), 'utf8'))?.[1] ?? ''
    const text = comment.replace(/\s*\n \*\s*/g, ' ').trim()
    return `  ${name.padEnd(8)} ${/^.*?\.(?=\s|$)/.exec(text)?.[0] ?? text}`
  })
}
