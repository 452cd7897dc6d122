/**
 * The static events of a session, from a file: one message a line, written as for `seqcast send`. Their hash tells two sequencers whether
 * they mean the same.
 */
import { createHash } from 'node:crypto'
import { loadSchemaFile } from '../component/proto-file.js'
import { SeqcastError } from '../core/errors.js'
import { MAX_MESSAGE_BYTES } from '../core/limits.js'
import type { StaticEvent, StaticEvents } from '../protocol/session-opening.js'
import { openSendInput } from './send-input.js'

/** All of them are held in memory. */
const MAX_EVENTS = 1_000_000

/** @throws SeqcastError E_FILE, E_FILE_FORMAT and E_PAYLOAD with the line and the reason, E_SCHEMA */
export async function readStaticEvents(file: string, proto: string | undefined): Promise<StaticEvents> {
  const schema = proto === undefined ? undefined : await loadSchemaFile(proto)
  const input = await openSendInput({ path: file, type: undefined, schema })
  const events: StaticEvent[] = []
  const hash = createHash('sha256')
  const head = Buffer.alloc(6)
  for await (const batch of input.read()) {
    for (const { type, payload } of batch) {
      if (payload.length > MAX_MESSAGE_BYTES || events.length === MAX_EVENTS) throw tooMuch(file, events.length + 1)
      head.writeUInt16BE(type)
      head.writeUInt32BE(payload.length, 2)
      hash.update(head).update(payload)
      events.push({ type, payload })
    }
  }
  return { events, hash: hash.digest('hex') }
}

function tooMuch(file: string, message: number): SeqcastError {
  return new SeqcastError(
    'E_FILE_FORMAT',
    `${file}: message ${message} is too long, or one too many: a session begins with up to ${MAX_EVENTS} static events of ${MAX_MESSAGE_BYTES} bytes`,
    { hint: 'send the rest with seqcast send', fields: { path: file, message } },
  )
}
