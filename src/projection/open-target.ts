/**
 * Where a projection goes, as a user names it: `postgres://USER@HOST/DATABASE`, or `lmdb:DIR`.
 */
import { SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import type { Projection } from './definition.js'
import { LmdbTarget } from './lmdb-target.js'
import { PostgresBeside } from './postgres-beside.js'
import { PostgresTarget } from './postgres-target.js'
import type { BesideTarget, Target } from './target.js'

export interface TargetAddress {
  readonly kind: 'postgres' | 'local'
  /** The address of a server, or a directory. */
  readonly at: string
  /** Of PostgreSQL: the schema; default: the projection's name. */
  readonly schema?: string | undefined
}

/** With `__new` behind it, it must still fit PostgreSQL's 63 bytes. */
const MAX_SCHEMA = 56

/** @throws SeqcastError E_CONFIG */
export function parseTarget(text: string, schema?: string): TargetAddress {
  if (schema !== undefined && !(/^[a-z_][a-z0-9_]*$/.test(schema) && schema.length <= MAX_SCHEMA)) {
    throw new SeqcastError('E_CONFIG', `--schema '${schema}' is no name for a schema`, {
      hint: `1 to ${MAX_SCHEMA} small letters, digits and underscores`,
      fields: { schema },
    })
  }
  if (/^postgres(ql)?:\/\//.test(text)) return { kind: 'postgres', at: text, schema }
  if (/^lmdb:./.test(text)) return { kind: 'local', at: text.slice('lmdb:'.length) }
  throw new SeqcastError('E_CONFIG', `--to '${text.replace(/:[^:@/]*@/, ':***@')}' is no place for a projection`, {
    hint: 'give postgres://USER@HOST/DATABASE, or lmdb:DIR',
  })
}

export function openTarget(projection: Projection, address: TargetAddress, logger: Logger): Target {
  if (address.kind === 'local') return new LmdbTarget(projection, address.at, 'write')
  return new PostgresTarget(projection, { url: address.at, schema: schemaOf(projection, address), logger })
}

/** Only to read rows: it changes nothing, and waits for nobody. */
export function openReader(projection: Projection, address: TargetAddress, logger: Logger): Target {
  if (address.kind === 'local') return new LmdbTarget(projection, address.at, 'read')
  const schema = schemaOf(projection, address)
  return new PostgresTarget(projection, { url: address.at, schema, logger, readOnly: true })
}

/**
 * What readers do not see before it is swapped.
 * @param purpose of which events it is built: what an interrupted process has built is gone on with only where it is the same
 */
export function openBeside(
  projection: Projection,
  address: TargetAddress,
  logger: Logger,
  purpose: string,
): BesideTarget {
  if (address.kind === 'local') return new LmdbTarget(projection, address.at, 'beside', purpose)
  return new PostgresBeside(projection, { url: address.at, schema: schemaOf(projection, address), logger, purpose })
}

function schemaOf({ name }: Projection, { schema }: TargetAddress): string {
  return schema ?? name.replaceAll('-', '_')
}
