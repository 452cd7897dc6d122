/** `seqcast inspect`: the state of a component at any moment of a recorded session, what changed between two, and why. */
import { Command, Option } from 'commander'
import { SeqcastError } from '../core/errors.js'
import { readConfiguration, TOOL_DEFAULTS } from './configuration.js'
import { createLogger, LOG_LEVELS } from './logger.js'

const DEFAULT_LIMIT = 20

export const inspectCommand = new Command('inspect')
  .description('the state of a component at a moment of a recorded session, what changed between two, and why')
  .requiredOption('--dir <dir>', 'directory of the recorded sessions')
  .requiredOption('--session <id>', 'the session')
  .requiredOption('--run <module...>', 'the component, or several')
  .option('--at <moment>', 'after this event, or the last one at or before this time (default: the end)')
  .option('--diff <moment...>', 'twice: what is different at the second from the first')
  .option('--why <key...>', 'each event that names this entity, or changed it: 42, or orderId=42')
  .option('--chain', 'with --why: also in the sessions before this one, as far as they are recorded')
  .option('--path <path>', 'only this part of the state, as orders[42].shares')
  .option('--from-seq <sequence>', 'with --why: first event that is told')
  .option('--to-seq <sequence>', 'with --why: last event')
  .option('--from-time <time>', 'with --why: first event at or after this time')
  .option('--to-time <time>', 'with --why: last event at or before this time')
  .option(
    '--limit <n>',
    `entries that are shown of each collection, or changes, or events (default: ${DEFAULT_LIMIT}, with --why 1000)`,
  )
  .option('--from-checkpoint [sequence]', 'begin at this checkpoint, or at the newest that can be used, not at event 1')
  .option('--checkpoints <dir>', 'directory of the checkpoints (default: that of the recording)')
  .option('--option <name=value...>', 'passed to the module’s `configure`')
  .option('--no-guard', 'do not watch handlers for clocks, randomness and promises')
  .addOption(new Option('--log-level <level>', 'on stderr (default: warn)').choices([...LOG_LEVELS]))
  .option('--json', 'one JSON object a component, or an event with --why, for machines')
  .action(async (flags: Record<string, unknown>) => {
    const { run, diff, why, chain, fromCheckpoint, ...others } = flags
    const configuration = readConfiguration(others, TOOL_DEFAULTS)
    const { dir = '', session, json, at, path, limit, option = [], guard = true, checkpoints } = configuration
    const asked = [at, diff, why].filter((flag) => flag !== undefined)
    if (asked.length > 1) throw wrongUsage('--at, --diff and --why are asked one at a time')
    const { loadComponents, openEvents } = await import('./recording.js')
    const log = await openEvents(dir, session)
    try {
      const components = await loadComponents(run, option)
      const job = {
        ...{ dir, session, log, components, json, guard, path, checkpoints },
        fromCheckpoint: typeof fromCheckpoint === 'string' ? fromCheckpoint : fromCheckpoint === true || undefined,
        limit: limit ?? DEFAULT_LIMIT,
        logger: createLogger({ name: 'inspect', level: configuration.logLevel, json }),
      }
      if (why !== undefined) {
        const { inspectWhy } = await import('./inspect-why.js')
        await inspectWhy({ ...job, limit: limit ?? 1_000 }, textsOf(why), configuration, chain === true)
      } else if (diff !== undefined) {
        const { inspectDifference } = await import('./inspect-diff.js')
        const [first, second, ...more] = textsOf(diff)
        if (first === undefined || second === undefined || more.length > 0) {
          throw wrongUsage('--diff compares two moments', 'for example --diff 1000 2000, or --diff 09:30:00 09:31:00')
        }
        await inspectDifference(job, first, second)
      } else {
        const { inspectState } = await import('./inspect-state.js')
        await inspectState(job, at)
      }
    } finally {
      await log.close()
    }
  })

function wrongUsage(what: string, hint = 'see seqcast inspect --help'): SeqcastError {
  return new SeqcastError('E_USAGE', what, { hint })
}

function textsOf(values: unknown): string[] {
  return Array.isArray(values) ? values.map(String) : [String(values)]
}
