/** `seqcast retain`: drops recorded sessions by age and by size, and says of each why it goes or stays. */
import { Command } from 'commander'
import { messageOf, SeqcastError } from '../core/errors.js'
import type { Decision, RetentionLimits } from '../store/retention.js'
import { bytesText, parseBytes, parseSpan } from './amounts.js'
import { bold, dim, plural, print, table } from './output.js'
import { timeText } from './sessions.js'

interface Flags {
  readonly dir: string
  readonly olderThan?: string
  readonly largerThan?: string
  readonly includeOpen?: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** What became of a session. */
interface Outcome extends Decision {
  readonly dropped: boolean
}

export const retainCommand = new Command('retain')
  .description('drop recorded sessions by age and by size, the oldest first; what is still needed stays')
  .requiredOption('--dir <dir>', 'directory of the recorded sessions')
  .option('--older-than <span>', 'drop sessions whose last event is older: 30d, 12h, 90m')
  .option('--larger-than <amount>', 'drop the oldest until all together are no larger: 100GB, 1.5TiB')
  .option('--include-open', 'also sessions that never ended and that nobody records')
  .option('--dry-run', 'only say what would be dropped')
  .option('--json', 'one JSON object a session, for machines')
  .action(async (flags: Flags) => {
    const { dir, dryRun = false, json = false } = flags
    const nowMs = Date.now()
    const limits = limitsOf(flags, nowMs)
    const { Catalogue } = await import('../store/catalogue.js')
    const { clearLeftBehind, dropSession, planRetention } = await import('../store/retention.js')
    const plan = await planRetention(dir, await new Catalogue(dir).list(), limits)
    if (!dryRun) clearLeftBehind(dir, nowMs)
    const outcomes = plan.map((decision): Outcome => {
      if (!decision.drop || dryRun) return { ...decision, dropped: false }
      try {
        dropSession(dir, decision)
        return { ...decision, dropped: true }
      } catch (error) {
        if (error instanceof SeqcastError && error.code === 'E_STORE_HELD') {
          return { ...decision, drop: false, dropped: false, reason: error.message }
        }
        throw notDropped(decision, error)
      }
    })
    if (json) for (const outcome of outcomes) print(true, outcome, () => '')
    else print(false, {}, () => report(outcomes, dryRun, limits.largerThanBytes))
  })

function limitsOf({ olderThan, largerThan, includeOpen = false }: Flags, nowMs: number): RetentionLimits {
  if (olderThan === undefined && largerThan === undefined) {
    throw new SeqcastError('E_USAGE', 'retain needs a limit', {
      hint: 'give --older-than 30d, --larger-than 100GB, or both',
    })
  }
  return {
    includeOpen,
    ...(olderThan === undefined ? {} : { olderThanUs: (nowMs - parseSpan('--older-than', olderThan) * 1000) * 1000 }),
    ...(largerThan === undefined ? {} : { largerThanBytes: parseBytes('--larger-than', largerThan) }),
  }
}

function report(outcomes: readonly Outcome[], dryRun: boolean, limitBytes: number | undefined): string {
  if (outcomes.length === 0) return dim('no session is recorded there')
  const rows = outcomes.map(({ session, drop, bytes, lastTimeUs, reason }) => [
    bold(session),
    bytesText(bytes),
    timeText(lastTimeUs),
    drop ? (dryRun ? 'would drop' : 'dropped') : 'kept',
    reason,
  ])
  const sum = (list: readonly Outcome[]): number => list.reduce((bytes, outcome) => bytes + outcome.bytes, 0)
  const gone = outcomes.filter(({ drop }) => drop)
  const left = outcomes.filter(({ drop }) => !drop)
  const verb = dryRun ? 'would be dropped' : 'dropped'
  const words = `${plural(gone.length, 'session')} ${verb}, ${bytesText(sum(gone))}; ${plural(left.length, 'session')} kept, ${bytesText(sum(left))}`
  const over =
    sum(left) > (limitBytes ?? Number.POSITIVE_INFINITY) ? ': still larger than the limit, see why above' : ''
  return `${table(['session', 'size', 'last event', 'decision', 'why'], rows)}\n${words}${over}`
}

function notDropped({ session }: Decision, cause: unknown): SeqcastError {
  return new SeqcastError('E_FILE', `session ${session} can't be dropped: ${messageOf(cause)}`, {
    hint: 'check the permissions of the directory; the sessions before it are gone',
    fields: { session },
    cause,
  })
}
