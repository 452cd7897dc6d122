/** What a store recorded, read as any later process would. */
import { LmdbEventLog } from '../../src/store/lmdb-event-log.js'
import { eventSource, eventSourceSequence, eventType } from '../../src/wire/event.js'
import { LOAD, TALLIED, type Tally } from './tally.js'

export interface RecordedEvent {
  readonly sequence: number
  readonly type: number
  readonly source: number
  readonly sourceSequence: number
  /** The event as it was on the wire, its header included. */
  readonly bytes: Buffer
}

/** How the last holder left the session, and everything in it. */
export async function readRecording(
  directory: string,
  session: string,
): Promise<{ readonly lastHolder: string; readonly durableSequence: number; readonly events: RecordedEvent[] }> {
  const log = await LmdbEventLog.open({ directory, session })
  const events: RecordedEvent[] = []
  log.read(1, Number.POSITIVE_INFINITY, (first, count, bytes, start) => {
    let at = start
    for (let i = 0; i < count; i++) {
      const end = at + 2 + ((bytes[at] ?? 0) << 8) + (bytes[at + 1] ?? 0)
      const event = bytes.subarray(at + 2, end)
      events.push({
        sequence: first + i,
        type: eventType(event, 0),
        source: eventSource(event, 0),
        sourceSequence: eventSourceSequence(event, 0),
        bytes: Buffer.from(event),
      })
      at = end
    }
    return true
  })
  const { lastHolder, durableSequence } = log
  await log.close()
  return { lastHolder, durableSequence, events }
}

/** The numbers of the `Load` events, in stream order. */
export function loadsOf(events: readonly RecordedEvent[]): number[] {
  return events.filter(({ type }) => type === LOAD).map(({ bytes }) => bytes.readUInt32BE(bytes.length - 4))
}

/** What the component said in the stream, each time. */
export function talliesOf(events: readonly RecordedEvent[]): Tally[] {
  return events
    .filter(({ type }) => type === TALLIED)
    .map(({ bytes }) => {
      const payload = bytes.subarray(bytes.length - 8)
      return { loads: payload.readUInt32BE(0), checksum: payload.readUInt32BE(4) }
    })
}
