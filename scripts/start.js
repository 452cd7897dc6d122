/** `npm start`: the main job, `seqcast demo`, with whatever set-up is missing done first. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { ensureBuilt, root } from './build.js'

ensureBuilt()
const program = join(root, 'dist', 'src', 'cli', 'seqcast.js')
const child = spawn(process.execPath, [program, 'demo', ...process.argv.slice(2)], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('exit', (code) => process.exit(code ?? 1))
