/** The data files that lie beside the project on some machines, and a place for files of a test. */
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** The path of a data file, or undefined where it is absent. Tests run in the project's root. */
export function dataFile(name: string): string | undefined {
  const path = resolve('..', 'shared', 'data', name)
  return existsSync(path) ? path : undefined
}

export const REAL = 'nasdaq-2019-12-30-open.itch50'
export const SIMULATED = 'simulated-2010-12-24.itch50'

/** A new folder for the files of a test; remove it with the returned path. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'seqcast-oms-'))
}

export function writeInput(folder: string, name: string, bytes: Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}
