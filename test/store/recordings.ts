/** What the store's tests share: scratch directories and runs of event blocks. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EventLog } from '../../src/protocol/event-log.js'
import { writeU16 } from '../../src/wire/bytes.js'
import { setTimestamp, stampEvent, WHOLE_MESSAGE, writeCommandHeader } from '../../src/wire/event.js'

export interface Scratch {
  readonly path: string
  remove(): void
}

export function scratchDirectory(parent = tmpdir()): Scratch {
  const path = mkdtempSync(join(parent, 'seqcast-store-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

export interface EventSketch {
  readonly type?: number
  readonly source?: number
  readonly sourceSequence?: number
  readonly timeUs?: number
  readonly epoch?: number
  readonly flags?: number
  readonly payload?: Uint8Array
}

/** The bytes of one event, without the length before it. */
export function eventBytes(sketch: EventSketch): Uint8Array {
  const payload = sketch.payload ?? new Uint8Array(0)
  const bytes = new Uint8Array(20 + payload.length)
  const { type = 300, source = 1, sourceSequence = 1, flags = WHOLE_MESSAGE } = sketch
  writeCommandHeader(bytes, 0, type, source, sourceSequence, flags)
  const time = { high: 0, low: 0 }
  setTimestamp(time, sketch.timeUs ?? 0)
  stampEvent(bytes, 0, time, sketch.epoch ?? 1)
  bytes.set(payload, 20)
  return bytes
}

/** Messages as a run of blocks. */
export function blocks(messages: readonly Uint8Array[]): Uint8Array {
  const run = new Uint8Array(messages.reduce((sum, message) => sum + 2 + message.length, 0))
  let at = 0
  for (const message of messages) {
    writeU16(run, at, message.length)
    run.set(message, at + 2)
    at += 2 + message.length
  }
  return run
}

export function split(bytes: Uint8Array, start: number, end: number): Uint8Array[] {
  const messages: Uint8Array[] = []
  for (let at = start; at < end; ) {
    const next = at + 2 + ((bytes[at]! << 8) | bytes[at + 1]!)
    messages.push(bytes.slice(at + 2, next))
    at = next
  }
  return messages
}

/** Appends messages as one packet. */
export function appendMessages(log: EventLog, messages: readonly Uint8Array[], receivedUs = 0): void {
  const run = blocks(messages)
  log.append(log.nextSequence, messages.length, run, 0, run.length, receivedUs)
}

/** Resolves when everything that was appended is durable. */
export async function durable(log: EventLog): Promise<void> {
  const through = log.nextSequence - 1
  while (log.durableSequence < through) await new Promise((resolve) => setImmediate(resolve))
}

/** `count` whole events of source 1, one microsecond apart. */
export function numberedEvents(first: number, count: number, payloadBytes = 44): Uint8Array[] {
  return Array.from({ length: count }, (_, i) =>
    eventBytes({
      sourceSequence: first + i,
      timeUs: 1_700_000_000_000_000 + first + i,
      payload: new Uint8Array(payloadBytes).fill((first + i) & 0xff),
    }),
  )
}
