/** Rows of a large map that all say which event they are of. */
import type { LargeRow } from '../../src/store/large-store.js'
import type { Checkpoint } from '../../src/wire/checkpoint.js'

export const MAP = 'numbers'
/** How many rows. */
export const NUMBERS = 2_000

export function numberKey(number: number): Uint8Array {
  return Uint8Array.of(1, number >> 8, number & 0xff)
}

export function rowsAt(sequence: number): LargeRow[] {
  const row = new Uint8Array(Buffer.from(String(sequence)))
  return Array.from({ length: NUMBERS }, (_, number) => ({ map: MAP, key: numberKey(number), row }))
}

export function checkpointAt(sequence: number): Checkpoint {
  const body = new Uint8Array(Buffer.from(`the body at ${sequence}`))
  const hash = new Uint8Array(32).fill(sequence)
  return {
    header: {
      ...{
        session: 'S1',
        component: 'archive',
        schemaHash: 'a'.repeat(64),
        codeHash: 'b'.repeat(64),
        sequence,
        epoch: 1,
        timeUs: 1,
      },
      ...{
        digest: hash,
        eventHash: hash,
        bodyHash: hash,
        epochTable: [{ epoch: 1, sequence: 1 }],
        hasVoters: false,
        bodyBytes: body.length,
      },
    },
    body,
  }
}
