/** `seqcast project MODULE`: events into tables of a database, with the position in the same transaction. */
import { Command } from 'commander'
import { SeqcastError } from '../core/errors.js'
import type { Projection } from '../projection/definition.js'
import { isProjection } from '../projection/definition.js'
import { parseTarget } from '../projection/open-target.js'
import { readConfiguration } from './configuration.js'
import { loadExport } from './modules.js'
import { addStreamOptions } from './stream-options.js'

export const projectCommand = new Command('project')
  .description('keep the tables of a projection in a database, live from the stream or from a recording')
  .argument('<module>', 'JavaScript module that exports `projection`, or `configure(options)` that returns one')
  .requiredOption('--to <place>', 'postgres://USER@HOST/DATABASE, or lmdb:DIR')
  .option('--schema <name>', 'of PostgreSQL: the schema for its tables (default: the projection’s name)')
  .option('--reset', 'build all rows anew beside the old ones, and swap when they are complete')
  .option('--print [table]', 'print the rows that are there as JSON, one a line, and end')
  .option('--option <name=value...>', 'passed to the module’s `configure`')
  .optionsGroup('From a recording:')
  .option('--dir <dir>', 'directory of the recorded sessions; --session and those that follow it, then end')
  .option('--from-seq <sequence>', 'first event (default: the first)')
  .option('--to-seq <sequence>', 'last event, both of this session (default: the last, and the sessions that follow)')
  .option('--from-time <time>', 'first event at or after this time')
  .option('--to-time <time>', 'last event at or before this time')
  .option('--as-recorded', 'take what is recorded of a session that has not ended for stable')
  .optionsGroup('Live:')
  .option('--local-store <dir>', 'rewind from the files of a store on this machine')
  .action(async (path: string, flags: Record<string, unknown>) => {
    const configuration = readConfiguration(flags)
    const { to = '', schema, print: table, dir, reset = false } = configuration
    const address = parseTarget(to, schema)
    const projection = await loadProjectionModule(path, configuration.option ?? [])
    if (table !== undefined) {
      const { printRows } = await import('./project-print.js')
      await printRows(projection, address, typeof table === 'string' ? table : undefined)
      return
    }
    const { projectLive, projectRecording } = await import('./project-run.js')
    const job = { projection, address, reset, configuration }
    if (dir === undefined) await projectLive(job)
    else await projectRecording(job, dir)
  })
addStreamOptions(projectCommand)

/** @throws SeqcastError E_MODULE */
async function loadProjectionModule(path: string, options: readonly string[]): Promise<Projection> {
  const found = await loadExport(path, options, 'projection')
  if (isProjection(found)) return found
  throw new SeqcastError(
    'E_MODULE',
    `module ${path} exports neither \`projection\` nor \`configure\` that returns one`,
    { hint: 'export const projection = defineProjection({ … })' },
  )
}
