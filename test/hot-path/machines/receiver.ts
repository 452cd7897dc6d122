/** The receiver, live: packets in order, delivered where they lie. */
import { Receiver } from '../../../src/protocol/receiver.js'
import { writeU64 } from '../../../src/wire/bytes.js'
import { MOLD_SEQUENCE_AT } from '../../../src/wire/moldudp64.js'
import { eventPacket, SESSION } from '../../fixtures/event-packets.js'
import type { Drive } from '../machines.js'

const EVENTS_A_PACKET = 10

export function createReceiver(): Drive {
  let nowUs = 1_000_000.5
  let delivered = 0
  const nothing = (): void => {}
  const receiver = new Receiver(
    { session: SESSION, nextSequence: 1, servers: 1, seed: 1, startRewinding: false },
    {
      deliver: (_sequence, count) => {
        delivered += count
      },
      request: nothing,
      startRewind: nothing,
      stopRewind: nothing,
      stateChanged: nothing,
      lost: nothing,
    },
  )
  const packet = eventPacket(1, EVENTS_A_PACKET)
  let sequence = 1
  return (events) => {
    const end = sequence + events
    while (sequence < end) {
      nowUs += 10.25
      writeU64(packet, MOLD_SEQUENCE_AT, sequence)
      receiver.onPacket(packet, nowUs)
      receiver.tick(nowUs)
      sequence += EVENTS_A_PACKET
    }
    if (delivered !== sequence - 1) throw new Error('events were not delivered')
  }
}
