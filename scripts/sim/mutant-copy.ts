/** A copy of the compiled sources in which a mutant lives. Its modules find their packages as the original ones do. */
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { applyPatches, type Mutant } from './mutants.js'

/** @returns the directory that stands for dist/src. @throws Error where a patch does not fit exactly once */
export function makeMutant(dist: string, { name, patches }: Mutant): string {
  const source = join(dist, 'src')
  const copy = join(dist, 'mutants', name, 'src')
  rmSync(dirname(copy), { recursive: true, force: true })
  // Links: a file that is patched is written anew.
  for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.js')) continue
    const from = join(entry.parentPath, entry.name)
    const to = join(copy, from.slice(source.length + 1))
    mkdirSync(dirname(to), { recursive: true })
    linkSync(from, to)
  }
  for (const file of new Set(patches.map((patch) => patch.file))) {
    const path = join(copy, file)
    const ofFile = patches.filter((patch) => patch.file === file)
    const text = applyPatches(file, readFileSync(path, 'utf8'), ofFile)
    unlinkSync(path)
    writeFileSync(path, text)
  }
  return copy
}
