/** Lost determinism, as a user reads it: what the stream has, and what this replica computed. */
import { SeqcastError } from '../core/errors.js'
import type { Outbox } from '../protocol/outbox.js'
import { eventSourceSequence, eventType } from '../wire/event.js'
import { DIGEST_TAKEN } from '../wire/runtime-events.js'
import { describeEvent } from './describe.js'
import type { UntypedSchema } from './schema.js'

/** An event of one of a component's deterministic sources is not what this replica holds in the outbox of it. */
export function breachError(
  { name: component, schema }: { readonly name: string; readonly schema: UntypedSchema },
  outbox: Outbox,
  sequence: number,
  bytes: Uint8Array,
  at: number,
  lengthBytes: number,
): SeqcastError {
  const recorded = describeEvent(schema, bytes, at, lengthBytes)
  const own = outbox.copyNextToReturn()
  const computed = own === undefined ? undefined : describeEvent(schema, own, 0, own.length)
  const number = eventSourceSequence(bytes, at)
  const what =
    computed === undefined
      ? `is a command that this replica did not issue: ${JSON.stringify(recorded)}`
      : `is ${JSON.stringify(recorded)}, but this replica computed ${JSON.stringify(computed)}`
  const subject = eventType(bytes, at) === DIGEST_TAKEN ? 'digest' : 'command'
  const message = `${component} lost determinism: ${subject} ${number} at event ${sequence} ${what}`
  return new SeqcastError('E_NONDETERMINISM', message, {
    hint: 'look for what the handlers take from elsewhere than state, event and ctx; or the replicas run different code',
    fields: { component, sequence, sourceSequence: number, recorded, computed },
  })
}
