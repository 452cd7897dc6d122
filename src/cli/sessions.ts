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
  ])
  return table(['session', 'kind', 'first', 'last', 'packets', 'size', 'from', 'to', 'state'], rows)
}

function stateOf({ heldByPid, ended }: SessionSummary): string {
  if (heldByPid !== undefined) return `recording (process ${heldByPid})`
  return ended ? 'ended' : 'open'
}

const timeText = (timeUs: number): string =>
  timeUs === 0 ? '' : new Date(timeUs / 1000).toISOString().slice(0, 23).replace('T', ' ')
