/** The result of a comparison, for a person and for a machine. */

import { changesText, changeToJson } from '../../replay/changes-text.js'
import type { Comparison, FirstDifference } from '../../replay/compare/compare.js'
import type { Moment, SideCommand } from '../../replay/compare/side.js'
import { stateToJson } from '../../replay/state-json.js'
import { lineText, type Style } from '../../replay/state-text.js'
import { bold, count, dim, green, plural, red } from '../output.js'

export interface ReportedComparison {
  readonly session: string
  readonly old: string
  readonly fresh: string
  readonly seconds: number
  readonly comparison: Comparison
  /** Changes that are shown of a state. */
  readonly limit: number
}

const STYLE: Style = { added: green, removed: red, changed: (text) => text, faint: dim }

export function comparisonToJson({ session, old, fresh, seconds, comparison, limit }: ReportedComparison): object {
  const { outcome, component, equalThrough, difference, versions, failure, commands } = comparison
  const common = { session, component, old, new: fresh, outcome, equalThrough, versions, seconds }
  if (failure !== undefined) return { ...common, failure }
  if (difference === undefined) return { ...common, commands }
  const { sequence, state, timersDiffer, commandsDiffer } = difference
  const { event, timeUs } = difference.fresh
  const changes = state.changes.slice(0, limit).map(changeToJson)
  return {
    ...common,
    ...{ sequence, timeUs: sequence === 0 ? undefined : timeUs },
    ...(event && { event: { name: event.name, source: event.sourceName, payload: stateToJson(event.payload) } }),
    stateDiffers: state.total > 0,
    ...{ timersDiffer, commandsDiffer },
    state: { differences: state.total, shown: changes },
    oldSide: momentToJson(difference.old, limit),
    newSide: momentToJson(difference.fresh, limit),
  }
}

function momentToJson({ commands, timers, changes, failure }: Moment, limit: number): object {
  return {
    commands: commands.map(({ name, payload }) => ({ name, payload })),
    timers: timers.slice(0, limit),
    changed: changes.changes.slice(0, limit).map(changeToJson),
    ...(failure && { failure }),
  }
}

export function comparisonText(report: ReportedComparison, width: number): string {
  const { session, old, fresh, seconds, comparison } = report
  const { component, versions, outcome, equalThrough, difference, failure, commands } = comparison
  const took = `(${seconds.toFixed(1)} s)`
  const lines = [`${component} in session ${session}: OLD is ${old}, NEW is ${fresh}`]
  lines.push(...versions.map((line) => dim(`  ${line}`)))
  if (outcome === 'same') {
    lines.push(green(`no difference in ${plural(equalThrough, 'event')} and ${plural(commands, 'command')} ${took}`))
  } else if (outcome === 'both-failed') {
    lines.push(`no difference in ${plural(equalThrough, 'event')}; then both fail ${took}`, `  ${failure?.message}`)
  } else if (outcome === 'unstable') {
    lines.push(`a version gives another result each time it is played ${took}`)
  } else if (difference !== undefined) lines.push(...differenceLines(difference, report, width, took))
  return lines.join('\n')
}

function differenceLines(found: FirstDifference, { limit }: ReportedComparison, width: number, took: string): string[] {
  const { sequence, old, fresh, state, timersDiffer, commandsDiffer } = found
  const { event } = fresh
  const where =
    event === undefined
      ? 'the initial states differ'
      : `first difference after event ${sequence}: ${event.name} of ${event.sourceName}`
  const lines = ['', `${bold(where)} ${dim(took)}`]
  if (event !== undefined) {
    lines.push(dim(`  ${new Date(fresh.timeUs / 1000).toISOString()}  ${lineText(event.payload, width - 30)}`))
  }
  for (const [name, side] of [['OLD', old] as const, ['NEW', fresh] as const]) {
    if (side.failure !== undefined) lines.push('', bold(`${name} fails`), `  ${side.failure.message}`)
  }
  if (state.total > 0) {
    const shown = { changes: state.changes.slice(0, limit), total: state.total }
    lines.push('', bold('state, from OLD to NEW'), ...indented(changesText(shown, { width: width - 2, style: STYLE })))
  } else lines.push('', dim('the states are equal'))
  if (sequence > 0) {
    lines.push(...changedLines('OLD', old, limit, width), ...changedLines('NEW', fresh, limit, width))
    lines.push('', bold('commands'))
    if (commandsDiffer) lines.push(...commandLines('OLD', old.commands), ...commandLines('NEW', fresh.commands))
    else if (fresh.commands.length === 0) lines.push(dim('  none in both'))
    else lines.push(dim('  the same in both'), ...commandLines('both', fresh.commands))
  }
  if (timersDiffer) lines.push(...timerLines(old, fresh, limit))
  return lines
}

function changedLines(name: string, { changes }: Moment, limit: number, width: number): string[] {
  const shown = { changes: changes.changes.slice(0, limit), total: changes.total }
  if (changes.total === 0) return ['', dim(`the event changed nothing in ${name}`)]
  return ['', `what the event changed in ${name}`, ...indented(changesText(shown, { width: width - 2 }))]
}

function commandLines(name: string, commands: readonly SideCommand[]): string[] {
  if (commands.length === 0) return [`  ${name}  none`]
  return commands.map((command) => `  ${name}  ${command.name} ${JSON.stringify(command.payload)}`)
}

function timerLines(old: Moment, fresh: Moment, limit: number): string[] {
  const textOf = ({ timers, timeUs }: Moment): string[] =>
    timers.map(({ name, key, dueUs }) => `${name} ${JSON.stringify(key)} in ${(dueUs - timeUs) / 1000} ms`)
  const [before, after] = [new Set(textOf(old)), new Set(textOf(fresh))]
  const differing = [
    ...[...before].filter((text) => !after.has(text)).map((text) => red(`- ${text}`)),
    ...[...after].filter((text) => !before.has(text)).map((text) => green(`+ ${text}`)),
  ]
  const left = differing.length - limit
  const rest = left > 0 ? [dim(`… and ${count(left)} more`)] : []
  const lines = differing.length > 0 ? differing.slice(0, limit) : ['those that are due together come in another order']
  return ['', bold('pending timers, from OLD to NEW'), ...indented([...lines, ...rest])]
}

const indented = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`)
