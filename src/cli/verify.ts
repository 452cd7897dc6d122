/** `seqcast verify`: whether recorded sessions are as they were written. */
import { Command } from 'commander'
import { messageOf, SeqcastError } from '../core/errors.js'
import type { VerifyResult } from '../store/verify.js'
import { count, green, plural, print, red } from './output.js'
import { startProgress } from './progress-bar.js'

/** Of each session; the rest is counted. With `--json` all are there. */
const SHOWN_PROBLEMS = 20

interface Flags {
  readonly dir: string
  readonly session?: string
  readonly checkpoints?: string
  readonly json?: boolean
}

export const verifyCommand = new Command('verify')
  .description('check recorded sessions: checksums, holes, order, the time index, checkpoints, chains of sessions')
  .requiredOption('--dir <dir>', 'directory of the recorded sessions')
  .option('--session <id>', 'only this one (default: all)')
  .option('--checkpoints <dir>', 'directory of the checkpoints (default: beside the recordings)')
  .option('--json', 'one JSON object a session, for machines')
  .action(async (flags: Flags) => {
    const { dir, session } = flags
    const { Catalogue } = await import('../store/catalogue.js')
    const { withProblems } = await import('../store/verify.js')
    const { chainProblems } = await import('../store/session-chain.js')
    const { sessions, unreadable } = await new Catalogue(dir).list()
    const names = session === undefined ? [...sessions, ...unreadable].map((each) => each.session) : [session]
    if (names.length === 0) throw nothingThere(dir)
    const chains = chainProblems(sessions)
    let problems = 0
    let isOnlyCheckpoints = true
    for (const name of names) {
      const result = withProblems(
        session === undefined ? await verifyAny(flags, name) : await verifyOne(flags, name),
        chains.filter((problem) => problem.session === name),
      )
      problems += result.problemCount
      isOnlyCheckpoints &&= result.problems.every(({ reason }) => reason === 'checkpoint')
      print(flags.json === true, result, () => resultText(result))
    }
    if (problems === 0) return
    throw new SeqcastError('E_VERIFY', `${plural(problems, 'problem')} in ${dir}`, {
      hint: isOnlyCheckpoints
        ? 'a start passes over them; remove the directory of the session’s checkpoints to be rid of them'
        : 'move a damaged session away and let its store fill itself from another one',
      fields: { dir, problems },
    })
  })

/** A session that can't be opened is a problem of that session: the walk goes on at the next. */
async function verifyAny(flags: Flags, session: string): Promise<VerifyResult> {
  try {
    return await verifyOne(flags, session)
  } catch (error) {
    const unread = { firstSequence: 1, lastSequence: 0, packets: 0, events: 0, bytes: 0 }
    const detail = messageOf(error)
    const problem = { session, sequence: 0, reason: 'unreadable', detail }
    return { session, kind: 'events', ...unread, problems: [problem], problemCount: 1 }
  }
}

async function verifyOne({ dir, checkpoints, json = false }: Flags, session: string): Promise<VerifyResult> {
  const { verifySession } = await import('../store/verify.js')
  let bar: ReturnType<typeof startProgress> | undefined
  try {
    return await verifySession(dir, session, {
      ...(checkpoints === undefined ? {} : { checkpoints }),
      onProgress: ({ sequence, lastSequence }) => {
        bar ??= startProgress(`verifying ${session}`, 'events', lastSequence, json)
        bar.update(sequence)
      },
    })
  } finally {
    bar?.stop()
  }
}

function resultText(result: VerifyResult): string {
  const { session, firstSequence, lastSequence, events, packets, problems, problemCount } = result
  const range = events === 0 ? 'empty' : `events ${firstSequence} to ${lastSequence} in ${plural(packets, 'packet')}`
  const head = `${session}: ${range}: ${problemCount === 0 ? green('clean') : red(plural(problemCount, 'problem'))}`
  const shown = problems.slice(0, SHOWN_PROBLEMS)
  const rest = problemCount - shown.length
  const lines = shown.map(({ sequence, reason, detail }) => `  event ${sequence}: ${reason}${detail && `: ${detail}`}`)
  return [head, ...lines, ...(rest > 0 ? [`  and ${count(rest)} more (--json lists them)`] : [])].join('\n')
}

function nothingThere(dir: string): SeqcastError {
  return new SeqcastError('E_SESSION_UNKNOWN', `no session is recorded in ${dir}`, {
    hint: 'give the directory that the store was started with',
    fields: { dir },
  })
}
