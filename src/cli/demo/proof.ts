/**
 * The proof after the demo: both recordings are whole, and a replay of every component gives the digests that were recorded.
 */
import { verifySession } from '../../store/verify.js'
import type { DemoResult } from './report.js'
import { STORES, storeDirectory, type TopologyOptions } from './topology.js'

/** @returns what does not hold, as sentences */
export async function proveSession(
  topology: TopologyOptions,
  lastSequence: number,
  _digests: DemoResult['digests'],
  step: (what: string) => void,
): Promise<string[]> {
  const problems: string[] = []
  for (const store of STORES) {
    step(`verifying the recording of ${store}`)
    problems.push(...(await verifyStore(topology, store, lastSequence)))
  }
  return problems
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
