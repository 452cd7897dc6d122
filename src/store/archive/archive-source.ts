/**
 * What every export has in common: a recorded session, a range, a sink that can be awaited, and progress. Reading goes in slices,
 * and what a slice gives is handed on before the next is read, so that a session of any size passes through little memory.
 */
import { rmSync, statSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { messageOf, SeqcastError } from '../../core/errors.js'
import type { RunVisitor } from '../../protocol/event-log.js'
import { skipBlocks } from '../../wire/moldudp64.js'
import type { Recording } from '../recording.js'

/** A session that can be exported: any of the logs, or a reader. */
export type ArchiveSource = Recording

export interface ArchiveProgress {
  readonly events: number
  /** Undefined where it can't be known before the end. */
  readonly totalEvents: number | undefined
  /** Bytes of the archive file that were written, or read. */
  readonly bytes: number
}

export interface ExportOptions {
  /** First event; default the first that is recorded. */
  readonly from?: number
  /** Last event; default the last that is committed. */
  readonly to?: number
  /** The session is over: a format that has a mark for that gets it, where the range goes to the end. */
  readonly ended?: boolean
  readonly onProgress?: (progress: ArchiveProgress) => void
  readonly signal?: AbortSignal
}

export interface ArchiveResult {
  readonly events: number
  readonly bytes: number
}

/** Takes bytes in order and keeps none of them; resolves when it can take more. */
export type ByteSink = (bytes: Uint8Array) => Promise<void>

const PACKETS_PER_SLICE = 512

/** @throws SeqcastError E_SEQUENCE_PAST_END where the range is not recorded */
export function rangeOf(source: ArchiveSource, options: ExportOptions): { from: number; to: number; toEnd: boolean } {
  const { firstSequence, committedSequence, session } = source
  const from = options.from ?? firstSequence
  const to = options.to ?? committedSequence
  if (from >= firstSequence && to <= committedSequence && from <= to + 1) {
    return { from, to, toEnd: to === committedSequence }
  }
  throw new SeqcastError(
    'E_SEQUENCE_PAST_END',
    `session '${session}' has events ${firstSequence} to ${committedSequence}, not ${from} to ${to}`,
    {
      hint: 'ask for a range within what is recorded',
      fields: { session, from, to, firstSequence, committedSequence },
    },
  )
}

/**
 * Runs an export: `encode` turns each run into bytes, which are copied into what goes to the sink.
 * @param before written first, @param after written last
 */
export async function exportRuns(
  source: ArchiveSource,
  sink: ByteSink,
  options: ExportOptions,
  encode: (...run: Parameters<RunVisitor>) => Uint8Array,
  before: Uint8Array,
  after: Uint8Array,
): Promise<ArchiveResult> {
  const { from, to } = rangeOf(source, options)
  await sink(before)
  let bytes = before.length
  let next = from
  while (next <= to) {
    const parts: Uint8Array[] = []
    next = source.read(next, PACKETS_PER_SLICE, (sequence, count, run, start, end, receivedUs, receivedNs) => {
      const left = to - sequence + 1
      const keep = Math.min(count, left)
      const runEnd = keep === count ? end : skipBlocks(run, start, keep)
      parts.push(encode(sequence, keep, run, start, runEnd, receivedUs, receivedNs))
      return count < left
    })
    if (parts.length === 0) throw takenBack(source.session, next, to)
    const slice = Buffer.concat(parts)
    await sink(slice)
    bytes += slice.length
    options.onProgress?.({ events: Math.min(next, to + 1) - from, totalEvents: to - from + 1, bytes })
    options.signal?.throwIfAborted()
    await nextTurn()
  }
  await sink(after)
  return { events: to - from + 1, bytes: bytes + after.length }
}

function takenBack(session: string, from: number, to: number): SeqcastError {
  return new SeqcastError(
    'E_SEQUENCE_PAST_END',
    `events ${from} to ${to} of session '${session}' are not recorded any more`,
    {
      hint: 'its store took them back after a failover; export again',
      fields: { session, from, to },
    },
  )
}

/**
 * Writes a file through a sink: beside, synced, and put in its place when it is whole, because most formats do not show that
 * their end is missing. What is no plain file (a pipe, a device) is written as it is.
 */
export async function writeArchive<T>(path: string, write: (sink: ByteSink) => Promise<T>): Promise<T> {
  const isPlain = statSync(path, { throwIfNoEntry: false })?.isFile() ?? true
  const beside = isPlain ? `${path}.${process.pid}.part` : path
  try {
    const result = await writeFile(beside, isPlain, write)
    if (isPlain) await rename(beside, path)
    return result
  } catch (cause) {
    if (isPlain) rmSync(beside, { force: true })
    if (cause instanceof SeqcastError || (cause instanceof Error && cause.name === 'AbortError')) throw cause
    throw new SeqcastError('E_FILE', `${path} can't be written: ${messageOf(cause)}`, { cause, fields: { path } })
  }
}

async function writeFile<T>(path: string, isPlain: boolean, write: (sink: ByteSink) => Promise<T>): Promise<T> {
  const file = await open(path, 'w')
  try {
    const result = await write(async (bytes) => {
      for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten
    })
    if (isPlain) await file.sync()
    return result
  } finally {
    await file.close()
  }
}
