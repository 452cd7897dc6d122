/** `seqcast compare`: plays one session through two versions of a component, and finds the first event after which they differ. */
import { Command, Option } from 'commander'
import { SeqcastError } from '../core/errors.js'
import type { Comparison } from '../replay/compare/compare.js'
import { ChildSide } from './compare/child-side.js'
import { comparisonText, comparisonToJson } from './compare/report.js'
import type { SideOpening } from './compare/side-messages.js'
import { readConfiguration, TOOL_DEFAULTS } from './configuration.js'
import { LOG_LEVELS } from './logger.js'
import { plural, print } from './output.js'
import { startProgress } from './progress-bar.js'

const DEFAULT_LIMIT = 20
const DEFAULT_WIDTH = 120

export const compareCommand = new Command('compare')
  .description('play one session through two versions of a component, and find the first event after which they differ')
  .requiredOption('--dir <dir>', 'directory of the recorded sessions')
  .requiredOption('--session <id>', 'the session')
  .requiredOption('--run <module...>', 'twice: the module of OLD, then that of NEW')
  .option('--to-seq <sequence>', 'last event (default: the last that is recorded)')
  .option('--ignore <path...>', 'parts of the state that are not compared, as stats.count or orders.*.note')
  .option('--option <name=value...>', 'passed to `configure` of both modules')
  .option('--old-option <name=value...>', 'passed to `configure` of OLD only')
  .option('--new-option <name=value...>', 'passed to `configure` of NEW only')
  .option('--limit <n>', `differences of a state that are shown (default: ${DEFAULT_LIMIT})`)
  .option('--no-guard', 'do not watch handlers for clocks, randomness and promises')
  .addOption(new Option('--log-level <level>', 'on stderr (default: warn)').choices([...LOG_LEVELS]))
  .option('--json', 'one JSON object, for machines')
  .action(async (flags: Record<string, unknown>) => {
    const { run, ...others } = flags
    const [old, fresh] = versionsOf(run)
    const configuration = readConfiguration(others, TOOL_DEFAULTS)
    const { dir: directory = '', session, json, guard = true, ignore = [], limit = DEFAULT_LIMIT } = configuration
    const toSequence = await lastEvent(directory, session, configuration.toSeq)
    const common = { directory, session, toSequence, ignore, guard }
    const { option = [], oldOption = [], newOption = [] } = configuration
    const startedMs = performance.now()
    const comparison = await compare(
      { ...common, module: old, option: [...option, ...oldOption] },
      { ...common, module: fresh, option: [...option, ...newOption] },
      json,
    )
    const seconds = (performance.now() - startedMs) / 1000
    const report = { session, old, fresh, seconds, comparison, limit }
    print(json, comparisonToJson(report), () => comparisonText(report, process.stdout.columns ?? DEFAULT_WIDTH))
    const error = errorOf(comparison, session)
    if (error !== undefined) throw error
  })

function versionsOf(run: unknown): readonly [string, string] {
  const modules: readonly unknown[] = Array.isArray(run) ? run : [run]
  const [old, fresh] = modules
  if (modules.length === 2 && typeof old === 'string' && typeof fresh === 'string') return [old, fresh]
  throw new SeqcastError(
    'E_USAGE',
    `two versions are compared, and --run was given ${plural(modules.length, 'module')}`,
    {
      hint: '--run OLD --run NEW; the same module twice with --old-option and --new-option compares two configurations',
    },
  )
}

/** @throws SeqcastError where the session can't be played from its beginning */
async function lastEvent(directory: string, session: string, wanted: number | undefined): Promise<number> {
  const { LmdbLogReader } = await import('../store/lmdb-log-reader.js')
  const reader = await LmdbLogReader.open(directory, session)
  try {
    if (reader.kind !== 'events') {
      throw new SeqcastError(
        'E_SESSION_FOREIGN',
        `session ${session} is a foreign stream: its messages are no events`,
        {
          hint: 'components play sessions of seqcast only',
          fields: { session },
        },
      )
    }
    const { firstSequence, committedSequence } = reader
    if (firstSequence > 1) {
      throw new SeqcastError(
        'E_LOST',
        `the recording of session ${session} begins at event ${firstSequence}: a component needs all of them`,
        {
          hint: 'compare over the recording of a store that was there from the start',
          fields: { session, firstSequence },
        },
      )
    }
    if (committedSequence >= (wanted ?? 1)) return wanted ?? committedSequence
    throw new SeqcastError('E_SEQUENCE_PAST_END', `session ${session} has ${committedSequence} events`, {
      hint: 'give --to-seq an event that is recorded; `seqcast sessions` shows how many there are',
      fields: { session, committedSequence },
    })
  } finally {
    await reader.close()
  }
}

async function compare(old: SideOpening, fresh: SideOpening, json: boolean): Promise<Comparison> {
  const { compareSides } = await import('../replay/compare/compare.js')
  const sides = { old: new ChildSide('OLD', old), fresh: new ChildSide('NEW', fresh) }
  const bar = startProgress(`comparing over ${old.session}`, 'events', old.toSequence, json)
  try {
    return await compareSides({
      ...sides,
      ignore: old.ignore,
      progress: (sequence) => bar.update(sequence),
      again: () => {
        if (!json)
          process.stderr.write('the state can’t be watched: all of it is read after each event, which is slow\n')
      },
    })
  } finally {
    bar.stop()
    sides.old.stop()
    sides.fresh.stop()
  }
}

/** A difference is a failure to whoever asked whether there is one. */
function errorOf({ outcome, difference, component }: Comparison, session: string): SeqcastError | undefined {
  if (outcome === 'same') return undefined
  if (outcome === 'unstable') {
    return new SeqcastError('E_NONDETERMINISM', `${component} does not give the same result twice`, {
      hint: 'look for a variable beside the state, and for what the handlers take from elsewhere than state, event and ctx',
      fields: { component, session },
    })
  }
  const sequence = difference?.sequence
  const where = sequence === undefined ? 'both versions fail' : `the versions differ after event ${sequence}`
  return new SeqcastError('E_DIFFERENT', `${where} of session ${session}`, {
    hint: 'what is meant to differ in the state is left out with --ignore PATH',
    fields: { component, session, sequence },
  })
}
