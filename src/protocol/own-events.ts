/** Writes the sequencer's own events into the batch: source 0, numbered like any other source. */
import { writeU16 } from '../wire/bytes.js'
import { EVENT_HEADER_BYTES, stampEvent, WHOLE_MESSAGE, writeCommandHeader } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import type { EventBatch } from './event-batch.js'
import { FIRST_EPOCH } from './sequencer-types.js'
import { continueMessage, OWN_SOURCE, type SourceTable } from './source-table.js'
import type { Timestamper } from './timestamper.js'

const PAYLOAD_AT = BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES

export class OwnEvents {
  readonly #sources: SourceTable
  readonly #time: Timestamper
  readonly #batch: EventBatch
  readonly #block: Uint8Array
  /** The reign that new events are born in. */
  epoch = FIRST_EPOCH

  /** @param payloadBytes the longest payload of an event */
  constructor(sources: SourceTable, time: Timestamper, batch: EventBatch, payloadBytes: number) {
    this.#sources = sources
    this.#time = time
    this.#batch = batch
    this.#block = new Uint8Array(PAYLOAD_AT + payloadBytes)
  }

  /** Batches one event. @throws Error where the payload is too long: a programmer's error */
  add(type: number, payload: Uint8Array, nowUs: number, wallUs: number, flags = WHOLE_MESSAGE): void {
    const block = this.#block
    const end = PAYLOAD_AT + payload.length
    if (end > block.length) throw new Error(`event of type ${type}: ${payload.length} bytes do not fit a datagram`)
    const sourceSequence = this.#sources.next(OWN_SOURCE)
    writeU16(block, 0, end - BLOCK_LENGTH_BYTES)
    writeCommandHeader(block, BLOCK_LENGTH_BYTES, type, OWN_SOURCE, sourceSequence, flags)
    stampEvent(block, BLOCK_LENGTH_BYTES, this.#time.read(nowUs, wallUs), this.epoch)
    block.set(payload, PAYLOAD_AT)
    this.#sources.advance(
      OWN_SOURCE,
      sourceSequence + 1,
      continueMessage(this.#sources.openType(OWN_SOURCE), type, flags),
    )
    this.#batch.addBlocks(block, 0, end, 1)
  }
}
