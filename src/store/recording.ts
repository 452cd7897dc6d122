/** A recorded session as tools read it: a reader with its bounds. */
import type { EventLogReader } from '../protocol/event-log.js'
import type { BlockKind } from './time-index.js'

export interface Recording extends EventLogReader {
  readonly session: string
  readonly kind: BlockKind
  readonly firstSequence: number
  /** `firstSequence - 1` where nothing is recorded. */
  readonly committedSequence: number
}
