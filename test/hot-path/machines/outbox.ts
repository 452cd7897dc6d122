/** The outbox: twenty commands a turn, sent in one packet, back as events, stable at once. */
import { Outbox } from '../../../src/protocol/outbox.js'
import { readU16 } from '../../../src/wire/bytes.js'
import { COMMAND_HEADER_BYTES, commandCount } from '../../../src/wire/command.js'
import type { Drive } from '../machines.js'

const COMMANDS_A_TURN = 20

export function createOutbox(): Drive {
  let nowUs = 1_000_000.5
  let sequence = 1
  const payload = new Uint8Array(40)
  const outbox = new Outbox(
    { session: 'HOTPATH', source: 1, firstSourceSequence: 1, datagramBytes: 1400, fragmentBytes: 1300 },
    { sendCommands: (packet) => comeBack(packet), returned: () => {} },
  )
  outbox.connect(nowUs)

  function comeBack(packet: Uint8Array): void {
    const count = commandCount(packet)
    let at = COMMAND_HEADER_BYTES
    for (let i = 0; i < count; i++) {
      const lengthBytes = readU16(packet, at)
      if (outbox.onEvent(sequence, packet, at + 2, lengthBytes, nowUs) !== 'expected') throw new Error('diverged')
      outbox.onStable(sequence++)
      at += 2 + lengthBytes
    }
  }

  return (events) => {
    for (let i = 0; i < events; i += COMMANDS_A_TURN) {
      for (let k = 0; k < COMMANDS_A_TURN; k++) outbox.append(256, payload, nowUs)
      nowUs += 10.25
      outbox.flush(nowUs)
      outbox.tick(nowUs)
    }
    if (outbox.commands > 0) throw new Error('commands did not come back')
  }
}
