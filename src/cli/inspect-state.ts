/** `seqcast inspect --at`: a component's state after an event, with what else it has: digest, timers, what it owes. */
import type { RecordedEvent } from '../replay/event-reader.js'
import type { Part } from '../replay/player.js'
import { stateToJson } from '../replay/state-json.js'
import { valueAt } from '../replay/state-path.js'
import { valueText } from '../replay/state-text.js'
import { createPlayer, eventAt, type InspectJob, playTo } from './inspect-job.js'
import { eventLine, eventToJson, lineWidth, STYLE, timeText } from './moment-text.js'
import { bold, durationText, plural, print } from './output.js'
import { momentOf } from './range.js'

/** @param at an event or a time; undefined: the end. @throws SeqcastError */
export async function inspectState(job: InspectJob, at: string | undefined): Promise<void> {
  const sequence = at === undefined ? job.log.committedSequence : momentOf(job.log, at, '--at')
  const player = await createPlayer(job, sequence)
  await playTo(job, player, sequence)
  const event = eventAt(job, player, sequence)
  for (const [i, part] of player.parts.entries()) {
    const { value } = valueAt(part.state, job.path ?? '')
    print(job.json, jsonOf(job, part, sequence, event, value), () =>
      [...(i > 0 ? [''] : []), textOf(job, part, sequence, event, value)].join('\n'),
    )
  }
  player.stop()
}

function jsonOf(
  job: InspectJob,
  part: Part,
  sequence: number,
  event: RecordedEvent | undefined,
  value: unknown,
): object {
  const { host, name } = part
  return {
    session: job.session,
    component: name,
    sequence,
    timeUs: event?.timeUs ?? 0,
    digest: host.digest(),
    event: event === undefined ? undefined : eventToJson(event),
    timers: host.timers().map(({ name, key, dueUs }) => ({ name, key, dueUs })),
    effectsOwed: host.effects().map(({ sequence, index, name }) => ({ sequence, index, name })),
    commandsUnderWay: host.status().outboxCommands,
    ...(job.path === undefined ? {} : { path: job.path }),
    state: stateToJson(value),
  }
}

function textOf(
  job: InspectJob,
  part: Part,
  sequence: number,
  event: RecordedEvent | undefined,
  value: unknown,
): string {
  const { host, name } = part
  const when = event === undefined ? 'before its first event' : `${timeText(event.timeUs)} UTC`
  const timers = host.timers()
  const effects = host.effects()
  const commands = host.status().outboxCommands
  const lines: [string, string][] = [
    ...(event === undefined ? [] : [['event', eventLine(event).trimStart()] as [string, string]]),
    ['digest', host.digest()],
  ]
  if (timers.length > 0) lines.push(['timers', timersText(timers, event?.timeUs ?? 0, job.limit)])
  if (commands > 0) lines.push(['commands', `${plural(commands, 'command')} issued and not sequenced yet`])
  if (effects.length > 0)
    lines.push(['effects', `${plural(effects.length, 'effect')} owed, the first for event ${effects[0]?.sequence}`])
  const body = valueText(value, { limit: job.limit, width: lineWidth(), style: STYLE })
  return [
    `${bold(name)} after event ${sequence} of session ${job.session}, ${when}`,
    ...lines.map(([label, text]) => `${label.padEnd(10)}${text}`),
    job.path === undefined ? 'state' : job.path,
    ...body.split('\n').map((line) => `  ${line}`),
  ].join('\n')
}

function timersText(
  timers: readonly { name: string; key: string; dueUs: number }[],
  nowUs: number,
  limit: number,
): string {
  const shown = timers.slice(0, limit).map(({ name, key, dueUs }) => `${name}(${key}) in ${inText(dueUs - nowUs)}`)
  const more = timers.length > limit ? ` and ${timers.length - limit} more` : ''
  return `${timers.length}: ${shown.join(', ')}${more}`
}

function inText(durationUs: number): string {
  return durationUs < 10_000_000 ? durationText(durationUs) : `${(durationUs / 1e6).toFixed(1)} s`
}
