/** Reads a chain of recorded sessions event by event, each with what names it over the whole chain. */
import { crc32 } from 'node:zlib'
import { LmdbLogReader } from '../../../store/lmdb-log-reader.js'
import { readU16 } from '../../../wire/bytes.js'
import { EVENT_HEADER_BYTES, eventEpoch, eventSource, eventTimeUs, eventType } from '../../../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../../../wire/moldudp64.js'

export interface ChainEvent {
  readonly session: string
  readonly sequence: number
  readonly type: number
  readonly source: number
  readonly epoch: number
  /** Wall clock, microseconds. */
  readonly timeUs: number
  readonly payload: Uint8Array
}

export interface SessionExtent {
  readonly lastSequence: number
  /** The checksum over all bytes of its events. */
  readonly checksum: number
}

const SLICE_PACKETS = 512

/** @throws SeqcastError E_SESSION_UNKNOWN, E_STORE_CORRUPT */
export async function readSession(
  directory: string,
  session: string,
  visit: (event: ChainEvent) => void,
): Promise<SessionExtent> {
  const log = await LmdbLogReader.open(directory, session)
  let next = 1
  let checksum = 0
  const onRun = (first: number, count: number, bytes: Uint8Array, start: number): boolean => {
    let at = start
    for (let sequence = first; sequence < first + count; sequence++) {
      const end = at + BLOCK_LENGTH_BYTES + readU16(bytes, at)
      at += BLOCK_LENGTH_BYTES
      checksum = crc32(bytes.subarray(at, end), checksum)
      visit({
        ...{ session, sequence, type: eventType(bytes, at), source: eventSource(bytes, at) },
        ...{ epoch: eventEpoch(bytes, at), timeUs: eventTimeUs(bytes, at) },
        payload: bytes.slice(at + EVENT_HEADER_BYTES, end),
      })
      at = end
    }
    next = first + count
    return true
  }
  try {
    for (let before = 0; before < next && next <= log.committedSequence; ) {
      before = next
      log.read(next, SLICE_PACKETS, onRun)
      await new Promise((resolve) => setImmediate(resolve))
    }
  } finally {
    await log.close()
  }
  return { lastSequence: next - 1, checksum }
}
