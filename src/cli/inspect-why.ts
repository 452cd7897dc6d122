/** `seqcast inspect --why`: the audit trail of an entity. */
import { auditTrail, type Trail, type TrailState } from '../replay/audit-trail.js'
import { parseEntity } from '../replay/entity.js'
import { Player } from '../replay/player.js'
import { stateToJson } from '../replay/state-json.js'
import { pathText } from '../replay/state-path.js'
import { lineText } from '../replay/state-text.js'
import type { InspectJob } from './inspect-job.js'
import { eventLine, eventToJson, LONG_LINE, partLines, partToJson, timeText } from './moment-text.js'
import { bold, count, dim, plural, print } from './output.js'
import { startProgress } from './progress-bar.js'
import { type RangeFlags, rangeOf } from './range.js'
import { beginAt } from './recording.js'

/** @throws SeqcastError */
export async function inspectWhy(job: InspectJob, keys: readonly string[], flags: RangeFlags): Promise<void> {
  const { session, log, guard, logger, json, limit } = job
  const entities = keys.map(parseEntity)
  const { from, to } = rangeOf(log, flags)
  // What had changed it before would not be told, so it is played from the first event on.
  const components = await beginAt(log, job.components, { ...job, fromCheckpoint: undefined, atMost: to }, logger)
  // Each event is played twice; see `auditTrail`.
  const bar = startProgress(`replaying ${session}`, 'events', 2 * to, json)
  let pass = 0
  const trail = await auditTrail({
    entities,
    createPlayer: (onCommand) => {
      pass++
      return new Player({
        ...{ session, log, guard, logger },
        components: components.map(({ component }) => ({
          component,
          observer: { command: (_sequence, type, payload) => onCommand(component.name, type, payload) },
        })),
      })
    },
    fromSequence: from,
    toSequence: to,
    below: job.path,
    maxEntries: limit,
    progress: (sequence) => bar.update((pass - 1) * to + sequence),
  }).finally(() => bar.stop())
  if (json) printJson(trail)
  else process.stdout.write(`${textOf(job, keys.join(', '), trail, from, to)}\n`)
}

function printJson({ entries, states, total, sequence }: Trail): void {
  for (const { event, isNamed, parts } of entries) {
    print(true, { ...eventToJson(event), isNamed, parts: parts.map(partToJson) }, () => '')
  }
  const now = states.map(({ component, found, timers }) => ({
    component,
    found: found.map(({ path, value }) => ({ path: pathText(path), value: stateToJson(value) })),
    timers,
  }))
  print(true, { sequence, total, left: total - entries.length, now }, () => '')
}

function textOf(job: InspectJob, keys: string, trail: Trail, from: number, to: number): string {
  const { entries, total, states, sequence } = trail
  const isNamed = job.components.length > 1
  const who = job.components.map(({ name }) => name).join(', ')
  const left = total - entries.length
  const lines = [
    `${bold(keys)} in ${who}: ${plural(total, 'event')} of ${count(to - from + 1)} (${from} to ${to}) of session ${job.session}`,
    ...entries.flatMap(({ event, parts }) => [eventLine(event), ...parts.flatMap((part) => partLines(part, isNamed))]),
    ...(left > 0 ? [dim(`… and ${plural(left, 'more event')} (--limit shows more, --from-seq begins later)`)] : []),
  ]
  return [...lines, `after event ${sequence}:`, ...states.flatMap((state) => stateLines(state, isNamed))].join('\n')
}

function stateLines({ component, found, timers }: TrailState, isNamed: boolean): string[] {
  const prefix = isNamed ? `${component}: ` : ''
  const lines = [
    ...found.map(({ path, value }) =>
      path.at(-1)?.kind === 'member' ? pathText(path) : `${pathText(path)}  ${lineText(value, LONG_LINE)}`,
    ),
    ...timers.map(({ name, key, dueUs }) => `timer ${name}(${key}) is due at ${timeText(dueUs)}`),
  ]
  return (lines.length === 0 ? [dim('nothing of it is in the state')] : lines).map((line) => `  ${prefix}${line}`)
}
