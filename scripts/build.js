/**
 * Makes the project runnable: installs from the lock file where that was not done, compiles where sources are newer than
 * the build. Plain JavaScript with built-ins only, because it runs before anything is installed or built. All output goes
 * to stderr, so that stdout belongs to the program that comes after.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const SOURCE_FOLDERS = ['src', 'test', 'native-free-bench', 'scripts']
const STAMP = join(root, 'dist', '.built')
const INSTALL_STAMP = join(root, 'node_modules', '.seqcast-installed')

/** Installs and compiles what is missing or stale. Ends the process with the tool's status where that fails. */
export function ensureBuilt() {
  requireNode()
  const lock = digestOf(['package-lock.json', 'package.json'])
  if (!isCurrent(INSTALL_STAMP, lock)) {
    say('installing dependencies from package-lock.json ...')
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
    writeFileSync(INSTALL_STAMP, lock)
  }
  const sources = digestOf(['tsconfig.json', 'package-lock.json', ...SOURCE_FOLDERS.flatMap(filesBelow)])
  if (!isCurrent(STAMP, sources)) {
    say('compiling ...')
    run(process.execPath, [join('node_modules', 'typescript', 'bin', 'tsc'), '-p', '.'])
    removeOrphans()
    chmodSync(join(root, 'dist', 'src', 'cli', 'seqcast.js'), 0o755)
    writeFileSync(STAMP, sources)
  }
}

/** What was compiled from a source that is gone must not be run, and a test least of all. */
function removeOrphans() {
  for (const file of filesBelow('dist')) {
    const stem = /^dist\/(.*?)(?:\.d\.ts|\.js)(?:\.map)?$/.exec(file)?.[1]
    if (stem !== undefined && !existsSync(join(root, `${stem}.ts`))) rmSync(join(root, file))
  }
}

/** Runs a command in the project's folder with its output on stderr. */
export function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['inherit', 2, 2] })
  if (error) say(`${command}: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}

function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  say(`Node ${process.versions.node} is too old: 20.19 or newer is needed`)
  process.exit(2)
}

function isCurrent(stamp, expected) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === expected
}

function filesBelow(folder) {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((name) => statSync(join(root, name)).isFile())
    .sort()
}

function digestOf(files) {
  const hash = createHash('sha256')
  for (const file of files)
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)))
      .update('\0')
  return hash.digest('hex')
}

function say(text) {
  process.stderr.write(`seqcast: ${text}\n`)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) ensureBuilt()
