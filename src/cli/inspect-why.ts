/** `seqcast inspect --why`: the audit trail of an entity. */
import { SeqcastError } from '../core/errors.js'
import { auditTrail, type Trail, type TrailState } from '../replay/audit-trail.js'
import { parseEntity } from '../replay/entity.js'
import { Player } from '../replay/player.js'
import { stateToJson } from '../replay/state-json.js'
import { pathText } from '../replay/state-path.js'
import { lineText } from '../replay/state-text.js'
import { linksOf } from '../store/session-chain.js'
import { readAbout, sessionPath } from '../store/session-directory.js'
import type { InspectJob } from './inspect-job.js'
import { eventLine, eventToJson, LONG_LINE, partLines, partToJson, timeText } from './moment-text.js'
import { bold, count, dim, plural, print } from './output.js'
import { startProgress } from './progress-bar.js'
import { type Range, type RangeFlags, rangeOf } from './range.js'
import { beginAt, openEvents } from './recording.js'

/**
 * @param isChain the sessions before it, too, as far as they are recorded; a range is of the session that was named
 * @throws SeqcastError
 */
export async function inspectWhy(
  job: InspectJob,
  keys: readonly string[],
  flags: RangeFlags,
  isChain: boolean,
): Promise<void> {
  const trails: Trail[] = []
  if (isChain) await inspectBefore(job, keys, linksOf(job.log).predecessor, trails)
  trails.push(await inspectOne(job, keys, rangeOf(job.log, flags)))
  const [first] = trails
  for (const field of first?.unknownFields ?? [])
    if (trails.every(({ unknownFields }) => unknownFields.includes(field))) throw unknownField(job, field)
  if (trails.some(isSomething)) return
  process.exitCode = 1
  if (!job.json) process.stdout.write(`nothing was found: no event names ${keys.join(', ')}, and no state has it\n`)
}

function isSomething({ total, states }: Trail): boolean {
  return total > 0 || states.some(({ found, placesLeft, timers }) => found.length + placesLeft + timers.length > 0)
}

function unknownField({ session, components }: InspectJob, field: string): SeqcastError {
  const messages = components.flatMap(({ schema }) => Object.values(schema.descriptor.messages))
  const fields = [...new Set(messages.flatMap((message) => Object.keys(message.fields)))].sort()
  return new SeqcastError('E_USAGE', `no event of session ${session} has a field '${field}', and no state`, {
    hint: `fields of the events are ${fields.join(', ')}; a key alone is looked for in all of them`,
    fields: { session, field },
  })
}

/** The oldest session first: that is the order in which things happened. */
async function inspectBefore(
  job: InspectJob,
  keys: readonly string[],
  session: string,
  trails: Trail[],
): Promise<void> {
  if (session === '') return
  if (readAbout(sessionPath(job.dir, session)) === undefined) {
    job.logger.warn({ session, dir: job.dir }, `session ${session}, from which it goes on, is not recorded here`)
    return
  }
  const log = await openEvents(job.dir, session)
  try {
    await inspectBefore(job, keys, linksOf(log).predecessor, trails)
    trails.push(await inspectOne({ ...job, session, log }, keys, rangeOf(log, {})))
    if (!job.json) process.stdout.write('\n')
  } finally {
    await log.close()
  }
}

async function inspectOne(job: InspectJob, keys: readonly string[], { from, to }: Range): Promise<Trail> {
  const { session, log, guard, logger, json, limit } = job
  const entities = keys.map(parseEntity)
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
  if (json) printJson(session, trail)
  else process.stdout.write(`${textOf(job, keys.join(', '), trail, from, to)}\n`)
  return trail
}

function printJson(session: string, { entries, states, total, sequence }: Trail): void {
  for (const { event, isNamed, parts } of entries) {
    print(true, { session, ...eventToJson(event), isNamed, parts: parts.map(partToJson) }, () => '')
  }
  const now = states.map(({ component, found, placesLeft, timers }) => ({
    ...{ component, placesLeft },
    found: found.map(({ path, value }) => ({ path: pathText(path), value: stateToJson(value) })),
    timers,
  }))
  print(true, { session, sequence, total, left: total - entries.length, now }, () => '')
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

function stateLines({ component, found, placesLeft, timers }: TrailState, isNamed: boolean): string[] {
  const prefix = isNamed ? `${component}: ` : ''
  const lines = [
    ...found.map(({ path, value }) =>
      path.at(-1)?.kind === 'member' ? pathText(path) : `${pathText(path)}  ${lineText(value, LONG_LINE)}`,
    ),
    ...(placesLeft > 0
      ? [`it was in ${plural(placesLeft, 'more place')}, too many to watch: --path says where to look`]
      : []),
    ...timers.map(({ name, key, dueUs }) => `timer ${name}(${key}) is due at ${timeText(dueUs)}`),
  ]
  return (lines.length === 0 ? [dim('nothing of it is in the state')] : lines).map((line) => `  ${prefix}${line}`)
}
