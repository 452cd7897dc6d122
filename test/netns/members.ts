/** Who is on the LAN, and the command line of each. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LOAD } from '../system/tally.js'

export const VOTERS = ['a', 'b', 'c'] as const
export type Voter = (typeof VOTERS)[number]
export const SEQUENCERS = ['s1', 's2', 's3'] as const
export const REPLICAS = ['p1', 'p2'] as const
export const SENDER = 'x'
/** Only listens, and hears all. */
export const WATCHER = 'w'
/** Everybody but the watcher. */
export const MEMBERS: readonly string[] = [...VOTERS, ...SEQUENCERS, ...REPLICAS, SENDER]

const MARKER = fileURLToPath(new URL('./marker.js', import.meta.url))
const includes = (names: readonly string[], name: string): boolean => names.includes(name)

/** What `seqcast` is told on the host of this name, without the streams. @param directory of this run */
export function roleOf(name: string, directory: string): string[] {
  if (name === SENDER) return ['send', '--type', String(LOAD), '--json']
  if (includes(VOTERS, name)) return ['store', '--name', name, '--voter', name, '--dir', storeOf(name, directory)]
  if (includes(SEQUENCERS, name)) {
    return ['sequencer', '--voters', VOTERS.join(','), '--standby', '--rank', name === 's1' ? '0' : '1']
  }
  const effects = `file=${effectsOf(name, directory)}`
  const passive = name === 'p1' ? [] : ['--standby']
  return ['run', MARKER, '--instance', name, '--no-guard', '--option', effects, ...passive]
}

export const storeOf = (name: string, directory: string): string => join(directory, `store-${name}`)

/** Where the effects of a replica go. */
export const effectsOf = (name: string, directory: string): string => join(directory, `effects-${name}`)
