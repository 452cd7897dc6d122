/** `seqcast verify`: whether recorded sessions are as they were written. */
import { Command } from 'commander'
import { SeqcastError } from '../core/errors.js'
import type { VerifyResult } from '../store/verify.js'
import { count, green, print, red } from './output.js'
import { startProgress } from './progress-bar.js'

/** Of each session; the rest is counted. With `--json` all are there. */
const SHOWN_PROBLEMS = 20

export const verifyCommand = new Command('verify')
  .description('check recorded sessions: checksums, holes, order, the time index')
  .requiredOption('--dir <dir>', 'directory of the recorded sessions')
  .option('--session <id>', 'only this one (default: all)')
  .option('--json', 'one JSON object a session, for machines')
  .action(async ({ dir, session, json = false }: { dir: string; session?: string; json?: boolean }) => {
    const [{ verifySession }, { Catalogue }] = await Promise.all([
      import('../store/verify.js'),
      import('../store/catalogue.js'),
    ])
    const names = session === undefined ? await namesOf(new Catalogue(dir)) : [session]
    if (names.length === 0) throw nothingThere(dir)
    let problems = 0
    for (const name of names) {
      const result = await verifyOne(verifySession, dir, name, json)
      problems += result.problemCount
      print(json, result, () => resultText(result))
    }
    if (problems === 0) return
    throw new SeqcastError('E_VERIFY', `${count(problems)} problems in ${dir}`, {
      hint: 'move a damaged session away and let its store fill itself from another one',
      fields: { dir, problems },
    })
  })

async function namesOf(catalogue: { list(): Promise<import('../store/catalogue.js').SessionList> }): Promise<string[]> {
  const { sessions, unreadable } = await catalogue.list()
  return [...sessions, ...unreadable].map(({ session }) => session)
}

async function verifyOne(
  verifySession: typeof import('../store/verify.js').verifySession,
  dir: string,
  session: string,
  json: boolean,
): Promise<VerifyResult> {
  let bar: ReturnType<typeof startProgress> | undefined
  try {
    return await verifySession(dir, session, {
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
  const range = events === 0 ? 'empty' : `events ${firstSequence} to ${lastSequence} in ${count(packets)} packets`
  const head = `${session}: ${range}: ${problemCount === 0 ? green('clean') : red(`${count(problemCount)} problems`)}`
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
