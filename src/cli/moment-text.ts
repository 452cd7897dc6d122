/** Events, states and changes as the time machine prints them: one shape for replay, inspect and their stops. */
import type { CausedCommand, TrailPart } from '../replay/audit-trail.js'
import { changesText, changeToJson } from '../replay/changes-text.js'
import type { RecordedEvent } from '../replay/event-reader.js'
import { stateToJson } from '../replay/state-json.js'
import { lineText, type Style } from '../replay/state-text.js'
import { FIRST_APPLICATION_TYPE } from '../wire/event.js'
import { withHexBytes } from './archive-files.js'
import { bold, dim, green, plural, red } from './output.js'
import { runtimeEventText } from './runtime-event-text.js'

/** On a terminal only; see `output.ts`. */
export const STYLE: Style = { added: green, removed: red, changed: (text) => text, faint: dim }

const DEFAULT_WIDTH = 120
const INDENT = '          '

/** Columns of a line, for what is laid out. */
export function lineWidth(): number {
  return process.stdout.columns ?? DEFAULT_WIDTH
}

/** Of what is told on one line and should not be cut: a terminal wraps it. */
export const LONG_LINE = 1_000
const SOURCE_WIDTH = 24
const NAME_WIDTH = 18

/** `2026-11-20 09:30:00.123456`, in UTC. */
export function timeText(timeUs: number): string {
  if (timeUs === 0) return '(no time)'
  return `${new Date(timeUs / 1000).toISOString().slice(0, 23).replace('T', ' ')}${String(timeUs % 1000).padStart(3, '0')}`
}

/** One line: sequence, time, source, what, and what it says. */
export function eventLine(event: RecordedEvent): string {
  const { sequence, timeUs, sourceName, sourceSequence, name } = event
  const source = `${sourceName}#${sourceSequence}`.padEnd(SOURCE_WIDTH)
  const said = event.isFragment ? 'part of a message' : payloadLine(event)
  const what = `${bold(name)}${' '.repeat(Math.max(0, NAME_WIDTH - name.length))}  ${said}`
  return `${String(sequence).padStart(8)}  ${dim(timeText(timeUs).slice(11))}  ${source}  ${what}`.trimEnd()
}

function payloadLine({ type, payload }: RecordedEvent): string {
  if (type >= FIRST_APPLICATION_TYPE) return fieldsText(payload)
  const text =
    typeof payload === 'object' && payload !== null ? runtimeEventText(type, withHexBytes(payload)) : undefined
  return text ?? fieldsText(payload)
}

/** `{ a: 1, b: 2 }` without its braces. */
function fieldsText(payload: unknown): string {
  const text = lineText(payload, LONG_LINE)
  return text.startsWith('{ ') ? text.slice(2).replace(/ \}$/, '') : text === '{}' ? '' : text
}

export function eventToJson(event: RecordedEvent): Readonly<Record<string, unknown>> {
  const { sequence, timeUs, source, sourceName, sourceSequence, type, name, isFragment, payload } = event
  const said = isFragment ? { isFragment } : { payload: stateToJson(payload) }
  return { sequence, timeUs, source, sourceName, sourceSequence, type, name, ...said }
}

/** What an event did, below its line. @param isNamed put the component's name before each line */
export function partLines(part: TrailPart & { readonly changesTotal?: number }, isNamed: boolean): string[] {
  const { component, changes, commands, timersFired, changesTotal = changes.length } = part
  const width = LONG_LINE
  const prefix = isNamed ? `${component}: ` : ''
  const lines = [
    ...(timersFired > 0 ? [dim(`${prefix}${plural(timersFired, 'timer')} fired before it`)] : []),
    ...changesText({ changes, total: changesTotal }, { width, prefix, style: STYLE }),
    ...commands.map((command) => `> ${prefix}sends ${commandText(command)}`),
  ]
  return lines.map((line) => INDENT + line)
}

const commandText = ({ name, payload }: CausedCommand): string => `${bold(name)}  ${fieldsText(payload)}`

export function partToJson(part: TrailPart & { readonly changesTotal?: number }): Readonly<Record<string, unknown>> {
  const { component, changes, commands, timersFired, changesTotal } = part
  return {
    component,
    changes: changes.map(changeToJson),
    ...(changesTotal === undefined ? {} : { changesTotal }),
    commands: commands.map(({ name, payload }) => ({ name, payload: stateToJson(payload) })),
    timersFired,
  }
}
