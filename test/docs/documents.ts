/** What the documents print: their blocks of code, and a directory in which these are tried as a newcomer would. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')

/** The blocks of a document in one language; '' for commands. */
export function blocksOf(document: string, language: string): string[] {
  const text = readFileSync(join(root, document), 'utf8')
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, found]) => found === language)
    .map(([, , block]) => block ?? '')
}

/** Commands of a document, without what is said about them. */
export function commandsOf(document: string): string[] {
  return blocksOf(document, '')
    .flatMap((block) => block.split('\n'))
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => line !== '')
}

/**
 * A directory of one's own with what `npm install ../seqcast typescript @types/node` puts there, without a network. Outside of
 * the project: a link to the project below itself would be a circle. To be removed by who made it.
 */
export function newcomersDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'seqcast-docs-'))
  mkdirSync(join(directory, 'node_modules', '.bin'), { recursive: true })
  mkdirSync(join(directory, 'node_modules', '@types'))
  const link = (target: string, at: string): void => {
    if (!existsSync(target)) throw new Error(`${target} is missing`)
    symlinkSync(target, join(directory, 'node_modules', at))
  }
  link(root, 'seqcast')
  for (const at of ['typescript', '@types/node', '.bin/tsc']) link(join(root, 'node_modules', at), at)
  link(join(root, 'dist', 'src', 'cli', 'seqcast.js'), '.bin/seqcast')
  return directory
}

/** Runs a command as printed. @returns its output. @throws Error with the output where it fails */
export function execute(command: string, directory: string): string {
  // `env -u`: without the loaders that the test runner puts into every child process.
  const args = ['-u', 'NODE_OPTIONS', 'sh', '-c', command]
  const { status, stdout, stderr } = spawnSync('env', args, { cwd: directory, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command}\n${stdout}${stderr}`)
  return `${stdout}${stderr}`
}
