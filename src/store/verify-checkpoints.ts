/** Whether the checkpoints of a recorded session are as they were written, and of this stream. */
import { createHash } from 'node:crypto'
import { SeqcastError } from '../core/errors.js'
import { readU16 } from '../wire/bytes.js'
import type { CheckpointHeader } from '../wire/checkpoint.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import { CheckpointStore } from './checkpoint-store.js'
import type { Recording } from './recording.js'
import type { Problem } from './verify.js'

/** @throws SeqcastError E_STORE_IO where they can't be opened */
export async function checkpointProblems(directory: string, log: Recording): Promise<Problem[]> {
  const { session } = log
  const store = await CheckpointStore.open(directory, session, 'read')
  const problem = (sequence: number, component: string, detail: string): Problem => ({
    ...{ session, sequence, reason: 'checkpoint' },
    detail: `of ${component}: ${detail}`,
  })
  try {
    return [
      ...store.problems().map(({ component, sequence, reason }) => problem(sequence, component, reason)),
      ...store.list().flatMap((header) => {
        const reason = strayReason(log, header)
        return reason === undefined ? [] : [problem(header.sequence, header.component, reason)]
      }),
    ]
  } finally {
    await store.close()
  }
}

/** A checkpoint may be ahead of a recording that is behind; then nothing is known. */
function strayReason(log: Recording, { session, sequence, eventHash }: CheckpointHeader): string | undefined {
  if (session !== log.session) return `it is of session ${session}`
  const hash = eventHashAt(log, sequence)
  return hash === undefined || Buffer.compare(hash, eventHash) === 0 ? undefined : 'its event is another one here'
}

/** Undefined where the event is not recorded, or in a damaged record, which is a problem of its own. */
function eventHashAt(log: Recording, sequence: number): Uint8Array | undefined {
  let hash: Uint8Array | undefined
  try {
    log.read(sequence, 1, (_sequence, _count, bytes, start) => {
      const at = start + BLOCK_LENGTH_BYTES
      const event = bytes.subarray(at, at + readU16(bytes, start))
      hash = createHash('sha256').update(event).digest()
      return false
    })
  } catch (error) {
    if (!(error instanceof SeqcastError)) throw error
  }
  return hash
}
