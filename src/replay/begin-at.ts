/** Where a replay begins that need not begin at the first event: which checkpoint, and why not a newer one. */
import { codeHashOf, isOfStream, openCheckpoint } from '../component/checkpoint.js'
import type { Component } from '../component/definition.js'
import { SeqcastError } from '../core/errors.js'
import type { EventLogReader } from '../protocol/event-log.js'
import type { CheckpointStore } from '../store/checkpoint-store.js'
import { readU16 } from '../wire/bytes.js'
import type { Checkpoint, CheckpointHeader } from '../wire/checkpoint.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'

/**
 * The newest checkpoint of a component at or before an event that can be used.
 * @param onRefused told of those that can't, and why
 * @returns undefined where there is none: the replay begins at the first event
 */
export function newestUsable(
  store: CheckpointStore,
  log: EventLogReader,
  component: Component,
  atMost: number,
  onRefused: (error: SeqcastError) => void,
): Checkpoint | undefined {
  for (const { sequence } of store.list(component.name).reverse()) {
    if (sequence > atMost) continue
    try {
      return usableAt(store, log, component, sequence)
    } catch (error) {
      if (!(error instanceof SeqcastError)) throw error
      onRefused(error)
    }
  }
  return undefined
}

/** The checkpoint of a component after this event. @throws SeqcastError E_CHECKPOINT where there is none, or it can't be used */
export function usableAt(
  store: CheckpointStore,
  log: EventLogReader,
  component: Component,
  sequence: number,
): Checkpoint {
  const checkpoint = store.read(component.name, sequence)
  openCheckpoint(checkpoint, component, store.session)
  const event = eventAt(log, sequence)
  if (event !== undefined && isOfStream(checkpoint.header, event)) return checkpoint
  throw new SeqcastError(
    'E_CHECKPOINT',
    `the checkpoint of ${component.name} after event ${sequence} is not of this recording: the event is another one`,
    { hint: 'give the recording that it was taken of, or begin with the first event', fields: { sequence } },
  )
}

/** What is there for a component, by sequence; those of other code are left out. */
export function checkpointsOf(store: CheckpointStore, component: Component): CheckpointHeader[] {
  const codeHash = codeHashOf(component)
  return store.list(component.name).filter((header) => header.codeHash === codeHash)
}

function eventAt(log: EventLogReader, sequence: number): Uint8Array | undefined {
  let event: Uint8Array | undefined
  log.read(sequence, 1, (_sequence, _count, bytes, start) => {
    const at = start + BLOCK_LENGTH_BYTES
    event = bytes.slice(at, at + readU16(bytes, start))
    return false
  })
  return event
}
