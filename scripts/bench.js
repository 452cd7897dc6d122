/** `npm run bench -- NAME [options]`: one scenario of native-free-bench, with whatever set-up is missing done first. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ensureBuilt, root } from './build.js'

ensureBuilt()
const [name = '', ...args] = process.argv.slice(2)
const folder = join(root, 'dist', 'native-free-bench')
const program = join(folder, `${name}.js`)
if (!/^[a-z-]+$/.test(name) || !existsSync(program)) {
  const names = readdirSync(join(root, 'native-free-bench')).flatMap((file) => file.match(/^([a-z-]+)\.ts$/)?.[1] ?? [])
  process.stderr.write(`usage: npm run bench -- NAME [options]\nscenarios: ${names.join(', ')}\n`)
  process.exit(2)
}
const child = spawn(process.execPath, [program, ...args], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('exit', (code) => process.exit(code ?? 1))
