/** Changes of a state, one a line: what kind, where, from what to what; paths aligned. */
import type { Change, Difference } from './state-diff.js'
import { stateToJson } from './state-json.js'
import { pathText } from './state-path.js'
import { lineText, PLAIN_STYLE, type Style } from './state-text.js'

/** A longer path moves its own line only. */
const PATH_WIDTH = 48

export interface ChangesTextOptions {
  /** Columns of a line; longer values are cut. */
  readonly width: number
  /** Put before each path: the name of the component. */
  readonly prefix?: string
  readonly style?: Style
}

/** @returns one line a change, and one that counts those that are not there; none where nothing has changed */
export function changesText({ changes, total }: Difference, options: ChangesTextOptions): string[] {
  const { width, prefix = '', style = PLAIN_STYLE } = options
  const paths = changes.map((change) => prefix + pathText(change.path))
  const aligned = Math.min(PATH_WIDTH, Math.max(0, ...paths.map((path) => path.length)))
  const lines = changes.map((change, i) => changeLine(change, (paths[i] ?? '').padEnd(aligned), width, style))
  return total > changes.length
    ? [...lines, style.faint(`… and ${(total - changes.length).toLocaleString('en-US')} more changes`)]
    : lines
}

function changeLine(change: Change, path: string, width: number, style: Style): string {
  const room = Math.max(24, width - path.length - 4)
  // The path of a member of a Set ends with the member itself.
  if (change.path.at(-1)?.kind === 'member') {
    return change.kind === 'added' ? style.added(`+ ${path.trimEnd()}`) : style.removed(`- ${path.trimEnd()}`)
  }
  if (change.kind === 'added') return style.added(`+ ${path}  ${lineText(change.after, room)}`)
  if (change.kind === 'removed') return style.removed(`- ${path}  ${lineText(change.before, room)}`)
  if (change.kind === 'reordered') return style.changed(`~ ${path}  the same entries in another order`)
  const half = Math.max(12, Math.floor((room - 4) / 2))
  return style.changed(`~ ${path}  ${lineText(change.before, half)} -> ${lineText(change.after, half)}`)
}

/** A change as one JSON object. */
export function changeToJson(change: Change): Readonly<Record<string, unknown>> {
  return {
    kind: change.kind,
    path: pathText(change.path),
    ...('before' in change ? { before: stateToJson(change.before) } : {}),
    ...('after' in change ? { after: stateToJson(change.after) } : {}),
  }
}
