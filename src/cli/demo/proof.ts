/**
 * The proof after the demo: both recordings are whole, and a replay of every component gives the digests that were recorded.
 */

import { replayComponent } from '../../replay/replay.js'
import { LmdbLogReader } from '../../store/lmdb-log-reader.js'
import { verifySession } from '../../store/verify.js'
import { loadComponent } from '../run.js'
import type { DemoResult } from './report.js'
import {
  COMPONENTS,
  type ComponentName,
  componentModule,
  STORES,
  storeDirectory,
  type TopologyOptions,
  VOTER,
} from './topology.js'

/** @returns what does not hold, as sentences */
export async function proveSession(
  topology: TopologyOptions,
  lastSequence: number,
  digests: DemoResult['digests'],
  step: (what: string) => void,
): Promise<string[]> {
  const problems: string[] = []
  for (const store of STORES) {
    step(`verifying the recording of ${store}`)
    problems.push(...(await verifyStore(topology, store, lastSequence)))
  }
  for (const name of COMPONENTS) {
    step(`replaying ${name}`)
    problems.push(...(await replayFrom(topology, name, digests[name])))
  }
  return problems
}

/** Plays the recording to a new instance and compares every command, every digest, and the state at the end. */
async function replayFrom(
  { directory, session }: TopologyOptions,
  name: ComponentName,
  expected: DemoResult['digests'][string] | undefined,
): Promise<string[]> {
  const component = await loadComponent(componentModule(name), [])
  const log = await LmdbLogReader.open(storeDirectory(directory, VOTER), session)
  try {
    const report = await replayComponent({
      session,
      component,
      log,
      guard: false,
      ...(expected === undefined ? {} : { toSequence: expected.sequence }),
    })
    if (report.failure !== undefined) return [`the replay of ${name} failed: ${report.failure.message}`]
    if (report.digest === expected?.digest) return []
    return [`the replay of ${name} gives digest ${report.digest}, and not ${expected?.digest}`]
  } finally {
    await log.close()
  }
}

async function verifyStore(
  { directory, session }: TopologyOptions,
  store: string,
  lastSequence: number,
): Promise<string[]> {
  const result = await verifySession(storeDirectory(directory, store), session)
  const problems = result.problems.map(
    (problem) => `${store}: event ${problem.sequence}: ${problem.reason} ${problem.detail}`,
  )
  if (result.firstSequence !== 1 || result.lastSequence !== lastSequence) {
    problems.push(
      `${store} holds events ${result.firstSequence} to ${result.lastSequence}, and not 1 to ${lastSequence}`,
    )
  }
  return problems
}
