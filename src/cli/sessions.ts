/** `seqcast sessions`: what is recorded in a directory. */
import { Command } from 'commander'
import { SeqcastError } from '../core/errors.js'
import type { SessionSummary } from '../store/catalogue.js'
import { bold, dim, print, table } from './output.js'

export const sessionsCommand = new Command('sessions')
  .description('list the recorded sessions of a directory')
  .requiredOption('--dir <dir>', 'directory of the recorded sessions')
  .option('--json', 'one JSON object a session, for machines')
  .action(async ({ dir, json = false }: { dir: string; json?: boolean }) => {
    const { Catalogue } = await import('../store/catalogue.js')
    const { sessions, unreadable } = await new Catalogue(dir).list()
    if (json) for (const session of sessions) print(true, session, () => '')
    else
      print(false, {}, () => (sessions.length === 0 ? dim(`no session is recorded in ${dir}`) : sessionTable(sessions)))
    const [first] = unreadable
    if (first === undefined) return
    throw new SeqcastError(
      'E_STORE_CORRUPT',
      `${unreadable.length} of ${sessions.length + unreadable.length} sessions can't be read: ${unreadable
        .map(({ session, problem }) => `${session} (${problem})`)
        .join(', ')}`,
      { hint: `seqcast verify --dir ${dir} --session ${first.session}`, fields: { dir, session: first.session } },
    )
  })

function sessionTable(sessions: readonly SessionSummary[]): string {
  const hasChain = sessions.some(({ predecessor, successor }) => predecessor !== '' || successor !== '')
  const rows = sessions.map((session) => [
    bold(session.session),
    session.kind,
    session.firstSequence,
    session.lastSequence,
    session.packets,
    `${(session.bytes / 1e6).toFixed(1)} MB`,
    timeText(session.firstTimeUs),
    timeText(session.lastTimeUs),
    stateOf(session),
    ...(hasChain ? [session.predecessor, session.successor] : []),
  ])
  const chain = hasChain ? ['predecessor', 'successor'] : []
  return table(['session', 'kind', 'first', 'last', 'packets', 'size', 'from', 'to', 'state', ...chain], rows)
}

/** A session that has ended gets no more events, also where its store is still there to serve it. */
export function stateOf({ heldByPid, ended }: SessionSummary): string {
  if (ended) return heldByPid === undefined ? 'complete' : `complete (process ${heldByPid} serves it)`
  return heldByPid === undefined ? 'open' : `recording (process ${heldByPid})`
}

export const timeText = (timeUs: number): string =>
  timeUs === 0 ? '' : new Date(timeUs / 1000).toISOString().slice(0, 23).replace('T', ' ')
