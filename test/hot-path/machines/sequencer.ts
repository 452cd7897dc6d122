/** The sequencer, fed with commands of one registered source. */
import { sessionBytes } from '../../../src/core/session.js'
import { Sequencer } from '../../../src/protocol/sequencer.js'
import { writeU16, writeU32 } from '../../../src/wire/bytes.js'
import { COMMAND_FIRST_AT, writeCommandPacketHeader } from '../../../src/wire/command.js'
import { EVENT_HEADER_BYTES, WHOLE_MESSAGE, writeCommandHeader } from '../../../src/wire/event.js'
import { MOLD_HEADER_BYTES, MOLD_SEQUENCE_AT } from '../../../src/wire/moldudp64.js'
import { REGISTER_SOURCE, registerSourceCodec } from '../../../src/wire/runtime-events.js'
import type { Drive } from '../machines.js'

const SESSION = 'HOTPATH'
const SOURCE = 1
const PAYLOAD_BYTES = 64
const BLOCK_BYTES = 2 + EVENT_HEADER_BYTES + PAYLOAD_BYTES

/** A packet of fifteen commands a turn, which is stamped in place and passed through. */
export function createSequencer(): Drive {
  return drive(15, 1)
}

/** Three packets of five commands a turn, which become one packet. */
export function createGatheringSequencer(): Drive {
  return drive(5, 3)
}

function drive(commandsAPacket: number, packetsATurn: number): Drive {
  let nowUs = 1_000_000.5
  const wall = (): number => 1_790_000_000_000_000 + nowUs
  const sequencer = openSequencer(nowUs, wall())
  // Nobody reads what the window holds, so that few packets can be used again and again.
  const packets = Array.from({ length: packetsATurn }, () => commandPacket(commandsAPacket))
  let sourceSequence = 1
  return (events) => {
    const end = sourceSequence + events
    while (sourceSequence < end) {
      nowUs += 10.25
      for (let i = 0; i < packets.length; i++) {
        const packet = packets[i]!
        renew(packet, sourceSequence, commandsAPacket)
        sequencer.onCommandPacket(packet, nowUs, wall())
        sourceSequence += commandsAPacket
      }
      sequencer.flush(nowUs, wall())
    }
    if (sequencer.nextSequence < sourceSequence) throw new Error('commands were not sequenced')
  }
}

function openSequencer(nowUs: number, wallUs: number): Sequencer {
  const nothing = (): void => {}
  const sequencer = new Sequencer(
    { session: SESSION, datagramBytes: 1400, voters: [], incarnation: 1, requestPort: 1, tickUs: 0 },
    { sendEvents: nothing, sendAnswer: nothing, sendControl: nothing, stateChanged: nothing },
  )
  sequencer.open(nowUs, wallUs)
  sequencer.onCommandPacket(registration(), nowUs, wallUs)
  sequencer.flush(nowUs, wallUs)
  return sequencer
}

function registration(): Uint8Array {
  const payload = registerSourceCodec.encode({
    name: 'hot',
    nonce: 7,
    exclusive: true,
    component: 'hot',
    schemaHash: '',
  })
  const packet = new Uint8Array(MOLD_HEADER_BYTES + 2 + EVENT_HEADER_BYTES + payload.length)
  writeCommandPacketHeader(packet, sessionBytes(SESSION), 0, 1, 1)
  writeU16(packet, MOLD_HEADER_BYTES, EVENT_HEADER_BYTES + payload.length)
  writeCommandHeader(packet, MOLD_HEADER_BYTES + 2, REGISTER_SOURCE, 0, 1, WHOLE_MESSAGE)
  packet.set(payload, MOLD_HEADER_BYTES + 2 + EVENT_HEADER_BYTES)
  return packet
}

function commandPacket(commands: number): Uint8Array {
  const packet = new Uint8Array(MOLD_HEADER_BYTES + commands * BLOCK_BYTES)
  writeCommandPacketHeader(packet, sessionBytes(SESSION), SOURCE, 1, commands)
  for (let i = 0; i < commands; i++) {
    writeU16(packet, MOLD_HEADER_BYTES + i * BLOCK_BYTES, EVENT_HEADER_BYTES + PAYLOAD_BYTES)
  }
  return packet
}

/** Takes back what the sequencer has written, and numbers the commands anew. */
function renew(packet: Uint8Array, first: number, commands: number): void {
  writeU16(packet, MOLD_SEQUENCE_AT, SOURCE)
  writeU16(packet, MOLD_SEQUENCE_AT + 2, 0)
  writeU32(packet, COMMAND_FIRST_AT, first)
  for (let i = 0; i < commands; i++) {
    const event = MOLD_HEADER_BYTES + i * BLOCK_BYTES + 2
    packet.fill(0, event, event + EVENT_HEADER_BYTES)
    writeCommandHeader(packet, event, 256, SOURCE, first + i, WHOLE_MESSAGE)
  }
}
