/** What an outbox refuses to take, as its user is told. */
import { SeqcastError } from '../core/errors.js'
import { MAX_MESSAGE_BYTES, MAX_SOURCE_SEQUENCE } from '../core/limits.js'
import type { LogFields } from '../core/log.js'

export function tooLong(lengthBytes: number, fields: LogFields): SeqcastError {
  return new SeqcastError('E_PAYLOAD', `a message of ${lengthBytes} bytes exceeds the limit of ${MAX_MESSAGE_BYTES}`, {
    hint: 'split it into several messages',
    fields,
  })
}

export function exhausted(source: number, fields: LogFields & { readonly session: string }): SeqcastError {
  return new SeqcastError(
    'E_SOURCE_EXHAUSTED',
    `source ${source} of session '${fields.session}' has used its command numbers up to ${MAX_SOURCE_SEQUENCE}`,
    {
      hint: 'activate the component again, which registers a fresh source for outside commands; for commands of handlers start a new session',
      fields,
    },
  )
}
