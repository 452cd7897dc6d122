/** Opens a log and tables in the directory that is given, and says how that went. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf, systemCodeOf } from '../../src/core/errors.js'
import { openEnvironment } from '../../src/store/lmdb-environment.js'
import { openTables } from '../../src/store/lmdb-tables.js'

const [directory = ''] = process.argv.slice(2)

async function say(opening: () => Promise<{ close(): Promise<void> }>): Promise<void> {
  try {
    const opened = await opening()
    await opened.close()
    process.stdout.write('opened\n')
  } catch (error) {
    process.stdout.write(`${systemCodeOf(error)} ${messageOf(error)}\n`)
  }
}

const log = join(directory, 'log')
mkdirSync(log)
await say(() => openEnvironment(log, 'write'))
await say(() => openTables(join(directory, 'tables'), { mode: 'write', tables: ['a'] }))
