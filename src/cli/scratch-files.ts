/** Large maps of a component that a tool plays: what does not fit into memory lies in a directory of the machine's temporary ones until the tool ends. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Component } from '../component/definition.js'
import { largeMapsIn } from '../component/large/large-tables.js'
import { useScratchFiles } from '../component/large/scratch.js'

/** Nothing is made where none of them has large maps. @throws SeqcastError E_STORE_IO */
export async function giveScratchFiles(components: readonly Component[]): Promise<void> {
  if (!components.some((component) => largeMapsIn(component.state()).length > 0)) return
  const { LargeStore } = await import('../store/large-store.js')
  const directory = mkdtempSync(join(tmpdir(), 'seqcast-large-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  const store = await LargeStore.scratch(directory)
  let maps = 0
  useScratchFiles(() => {
    const name = `map${maps++}`
    return {
      get: (_, key) => store.get(name, key),
      keys: (_, from, before) => store.keys(name, from, before),
      write: (rows) => store.write(renamed(rows, name)),
    }
  })
}

function* renamed<R extends { readonly map: string }>(rows: Iterable<R>, map: string): Generator<R> {
  for (const row of rows) yield { ...row, map }
}
