/**
 * Makes the session of the checkpoint bench, as its sequencer would have: each event is one more fill of one of the live orders. Then
 * plays it to the component, up to where its last checkpoint is taken.
 */
import { ComponentHost } from '../../../component/host.js'
import { registrationPacket } from '../../../component/registration.js'
import { sessionBytes } from '../../../core/session.js'
import { Sequencer } from '../../../protocol/sequencer.js'
import { CheckpointStore } from '../../../store/checkpoint-store.js'
import { LmdbEventLog } from '../../../store/lmdb-event-log.js'
import { LmdbLogReader } from '../../../store/lmdb-log-reader.js'
import { writeU16 } from '../../../wire/bytes.js'
import { COMMAND_HEADER_BYTES, writeCommandPacketHeader } from '../../../wire/command.js'
import { EVENT_HEADER_BYTES, WHOLE_MESSAGE, writeCommandHeader } from '../../../wire/event.js'
import { BLOCK_LENGTH_BYTES, MOLD_HEADER_BYTES, moldCount, moldSequence, skipBlocks } from '../../../wire/moldudp64.js'
import { childArgument, tellParent } from '../children.js'
import { eventsPerDatagram, FILL_BYTES, FIXED_FILL_TYPE, fillOf, fillSchema } from '../messages.js'
import { PENDING_PACKETS } from '../recording.js'
import { liveOrders } from './desk.js'

export interface RecordArgument {
  readonly directory: string
  readonly session: string
  readonly events: number
  readonly entities: number
  /** The checkpoint is so many events before the end. */
  readonly behind: number
  readonly datagram: number
}

const START_US = 1_700_000_000_000_000
const SOURCE = 1
const BLOCK_BYTES = BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES + FILL_BYTES
/** Packets that are played before other work has its turn. */
const SLICE_PACKETS = 4_096

const argument = childArgument<RecordArgument>()
const events = await record(argument)
tellParent({ events, ...(await takeCheckpoint(argument, events)) })
process.disconnect()

async function record({ directory, session, events, entities, datagram }: RecordArgument): Promise<number> {
  const log = await LmdbEventLog.open({ directory, session })
  let next = 1
  const sequencer = new Sequencer(
    { session, datagramBytes: datagram, voters: [], incarnation: 1, requestPort: 1 },
    {
      sendEvents: (packet) => {
        const [sequence, count] = [moldSequence(packet), moldCount(packet)]
        if (count === 0) return
        log.append(sequence, count, packet, MOLD_HEADER_BYTES, packet.length, START_US + sequence)
        next = sequence + count
      },
      sendAnswer: () => {},
      sendControl: () => {},
      stateChanged: () => {},
    },
  )
  sequencer.open(0, START_US)
  const wanted = { name: 'bench', nonce: 1, exclusive: true, component: '', schemaHash: '' }
  sequencer.onCommandPacket(registrationPacket(session, wanted), 0, START_US)
  sequencer.flush(0, START_US)
  let wake: () => void = () => {}
  log.onDurable(() => wake())
  const perPacket = eventsPerDatagram(datagram, FILL_BYTES)
  for (let sent = 0; next <= events; sent += perPacket) {
    sequencer.onCommandPacket(fills(session, sent, perPacket, entities), next, START_US + next)
    sequencer.flush(next, START_US + next)
    if (log.pendingPackets < PENDING_PACKETS) continue
    await new Promise<void>((resolve) => {
      wake = resolve
    })
  }
  await log.close()
  return next - 1
}

function fills(session: string, sent: number, count: number, entities: number): Uint8Array {
  const packet = new Uint8Array(COMMAND_HEADER_BYTES + count * BLOCK_BYTES)
  writeCommandPacketHeader(packet, sessionBytes(session), SOURCE, sent + 1, count)
  for (let i = 0, at = COMMAND_HEADER_BYTES; i < count; i++, at += BLOCK_BYTES) {
    writeU16(packet, at, BLOCK_BYTES - BLOCK_LENGTH_BYTES)
    writeCommandHeader(packet, at + BLOCK_LENGTH_BYTES, FIXED_FILL_TYPE, SOURCE, sent + i + 1, WHOLE_MESSAGE)
    const fill = { ...fillOf(sent + i), orderId: (sent + i) % entities }
    packet.set(fillSchema.encode('FixedFill', fill), at + BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES)
  }
  return packet
}

interface Taken {
  readonly sequence: number
  readonly bytes: number
  readonly takenMs: number
  readonly entities: number
}

async function takeCheckpoint(
  { directory, session, entities, behind }: RecordArgument,
  events: number,
): Promise<Taken> {
  const reader = await LmdbLogReader.open(directory, session)
  const host = new ComponentHost(
    liveOrders(),
    { session, instance: 'bench', incarnation: 1, mode: 'replay' },
    { sendCommands: () => {}, stateChanged: () => {}, failed: (error) => process.emit('uncaughtException', error) },
  )
  const last = Math.max(1, events - behind)
  let event = new Uint8Array(0)
  while (host.nextSequence <= last) {
    reader.read(host.nextSequence, SLICE_PACKETS, (sequence, count, bytes, start) => {
      const played = Math.min(count, last + 1 - sequence)
      const end = skipBlocks(bytes, start, played)
      host.onRun(sequence, played, bytes, start, end, 0)
      if (sequence + played > last) event = bytes.slice(skipBlocks(bytes, start, played - 1) + BLOCK_LENGTH_BYTES, end)
      return sequence + played <= last
    })
  }
  const startMs = performance.now()
  const checkpoint = host.checkpoint(event)
  const takenMs = performance.now() - startMs
  const store = await CheckpointStore.open(directory, session, 'write')
  await store.write(checkpoint)
  await store.close()
  await reader.close()
  return { sequence: checkpoint.header.sequence, bytes: checkpoint.header.bodyBytes, takenMs, entities }
}
