/** Recordings to read from, made as fast as a log takes them. */
import type { EventLog } from '../../protocol/event-log.js'
import { type Codec, eventsPerDatagram, FILL_BYTES, fillBlocks } from './messages.js'

/** Packets that wait for the disk; more gains nothing, and a log has a bound. */
export const PENDING_PACKETS = 4_096
/** Distinct packets; building each event anew would take longer than recording it. */
const DISTINCT_PACKETS = 256

export interface RecordingOptions {
  readonly codec: Codec
  readonly events: number
  readonly datagram: number
}

/** Resolves when all is durable. @returns how many events were recorded: whole packets */
export async function recordFills(log: EventLog, options: RecordingOptions): Promise<number> {
  const perPacket = eventsPerDatagram(options.datagram, FILL_BYTES)
  const runs = Array.from({ length: DISTINCT_PACKETS }, (_, i) =>
    fillBlocks(options.codec, 1 + i * perPacket, perPacket),
  )
  let wake: () => void = () => {}
  log.onDurable(() => wake())
  const packets = Math.ceil(options.events / perPacket)
  for (let packet = 0; packet < packets; packet++) {
    const run = runs[packet % DISTINCT_PACKETS]
    if (run === undefined) break
    log.append(1 + packet * perPacket, perPacket, run, 0, run.length, 1_700_000_000_000_000 + packet)
    if (log.pendingPackets < PENDING_PACKETS) continue
    await new Promise<void>((resolve) => {
      wake = resolve
    })
  }
  while (log.pendingPackets > 0) await new Promise((resolve) => setTimeout(resolve, 1))
  return packets * perPacket
}
