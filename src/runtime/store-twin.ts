/**
 * UDP groups can be shared without an error, so a second store of the same name is noticed by its status. Of the two, the
 * one that has just come goes.
 */
import { SeqcastError } from '../core/errors.js'
import type { ControlLink } from './control-link.js'
import { WAITING } from './last-words.js'
import { SILENCE_US } from './options.js'

/** @param nowUs when this store started to listen */
export function refuseTwin(
  { name, session }: { readonly name: string; readonly session: string },
  control: Pick<ControlLink, 'listen'>,
  nowUs: number,
  failed: (error: SeqcastError) => void,
): void {
  const untilUs = nowUs + SILENCE_US
  control.listen((message, _address, heardUs) => {
    if (message.kind !== 'store' || message.body.name !== name) return
    const { state } = message.body
    // Who waits says so from the session before, as this store did until now.
    if (state === 'stopped' || state === WAITING || heardUs > untilUs) return
    failed(
      new SeqcastError('E_SECOND_INSTANCE', `another store named '${name}' runs on session ${session}`, {
        hint: 'give one of them another --name and --voter',
        fields: { session, name },
      }),
    )
  })
}
