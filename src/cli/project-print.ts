/** `seqcast project --print`: the rows of a projection, from whichever database it is in. */
import { SeqcastError } from '../core/errors.js'
import { silentLogger } from '../core/log.js'
import type { UntypedRow } from '../projection/columns.js'
import type { Projection, Table } from '../projection/definition.js'
import { openReader, type TargetAddress } from '../projection/open-target.js'
import { unreachable } from '../projection/target.js'

/** @param name undefined: all tables. @throws SeqcastError E_USAGE, E_PROJECTION, E_DATABASE */
export async function printRows(
  projection: Projection,
  address: TargetAddress,
  name: string | undefined,
): Promise<void> {
  const tables = name === undefined ? projection.tables : [tableNamed(projection, name)]
  const reader = openReader(projection, address, silentLogger)
  try {
    await reader.open()
    for (const table of tables) {
      for await (const row of reader.rows(table)) {
        process.stdout.write(`${JSON.stringify({ table: table.name, ...forJson(row) })}\n`)
      }
    }
  } catch (error) {
    throw unreachable(reader.title, error)
  } finally {
    await reader.close()
  }
}

function tableNamed({ name, tables }: Projection, wanted: string): Table {
  const table = tables.find((each) => each.name === wanted || each.sqlName === wanted)
  if (table !== undefined) return table
  throw new SeqcastError('E_USAGE', `projection ${name} has no table '${wanted}'`, {
    hint: `its tables are ${tables.map((each) => each.name).join(', ')}`,
  })
}

function forJson(row: UntypedRow): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([key, value]) => [
      key,
      value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
    ]),
  )
}
