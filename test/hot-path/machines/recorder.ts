/** The memory log: packets of a hundred events, a sync every tenth packet. It keeps them, one record a packet. */
import { MemoryEventLog } from '../../../src/store/memory-event-log.js'
import { MOLD_HEADER_BYTES } from '../../../src/wire/moldudp64.js'
import { eventPacket } from '../../fixtures/event-packets.js'
import type { Drive } from '../machines.js'

const EVENTS_A_PACKET = 100

export function createRecorder(): Drive {
  const log = new MemoryEventLog({ session: 'HOTPATH', durable: 'manual' })
  log.onDurable(() => {})
  const packet = eventPacket(1, EVENTS_A_PACKET)
  return (events) => {
    for (let i = 0; i < events; i += EVENTS_A_PACKET) {
      const receivedUs = 1_790_000_000_000_000 + log.nextSequence
      log.append(log.nextSequence, EVENTS_A_PACKET, packet, MOLD_HEADER_BYTES, packet.length, receivedUs)
      if (log.pendingPackets >= 10) log.sync()
    }
  }
}
