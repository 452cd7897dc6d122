/**
 * Who a store is: its name and voter id, in a file of the store's directory, outside of the recording environments and synced before
 * anybody hears it. An acknowledgement of voter A must never come from the disk of voter B.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SeqcastError } from '../core/errors.js'
import { directoryFailure } from './store-error.js'
import { makeDirectorySynced, writeFileSynced } from './synced-file.js'

const IDENTITY_FILE = 'store.json'

export interface StoreIdentity {
  readonly name: string
  /** '' for a copy, which has no vote. */
  readonly voter: string
}

/**
 * Reads the identity of a directory, or gives it one.
 * @throws SeqcastError E_CONFIG where the directory is another store's; E_STORE_CORRUPT where the file is damaged; E_STORE_IO or
 * E_STORE_FULL where the directory can't be made, read or written
 */
export function claimIdentity(directory: string, wanted: StoreIdentity): StoreIdentity {
  try {
    return claim(directory, wanted)
  } catch (error) {
    throw error instanceof SeqcastError ? error : directoryFailure(error, directory)
  }
}

function claim(directory: string, wanted: StoreIdentity): StoreIdentity {
  const found = readIdentity(directory)
  if (found === undefined) {
    makeDirectorySynced(directory)
    writeFileSynced(join(directory, IDENTITY_FILE), `${JSON.stringify({ name: wanted.name, voter: wanted.voter })}\n`)
    return wanted
  }
  if (found.name === wanted.name && found.voter === wanted.voter) return found
  throw new SeqcastError('E_CONFIG', `${directory} belongs to ${describe(found)}, not to ${describe(wanted)}`, {
    hint: 'give each store a directory of its own',
    fields: { directory, found, wanted },
  })
}

/** @returns undefined where the directory has no identity yet */
export function readIdentity(directory: string): StoreIdentity | undefined {
  const file = join(directory, IDENTITY_FILE)
  if (!existsSync(file)) return undefined
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (isIdentity(value)) return { name: value.name, voter: value.voter }
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
  }
  throw new SeqcastError('E_STORE_CORRUPT', `${file} does not say which store this is`, {
    hint: 'restore the file; a voter must not guess who it is',
    fields: { path: file },
  })
}

function describe({ name, voter }: StoreIdentity): string {
  return voter === '' ? `store '${name}' (no voter)` : `store '${name}' (voter '${voter}')`
}

function isIdentity(value: unknown): value is StoreIdentity {
  if (typeof value !== 'object' || value === null || !('name' in value && 'voter' in value)) return false
  return typeof value.name === 'string' && typeof value.voter === 'string'
}
