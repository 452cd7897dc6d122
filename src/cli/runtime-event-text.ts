/** The runtime's own events as a person reads them: what happened, in a few words. */
import {
  ACTIVATED,
  DIGEST_REQUESTED,
  DIGEST_TAKEN,
  EFFECT_DONE,
  EFFECT_OWED,
  PASSIVATED,
  SEED_DONE,
  SESSION_ENDED,
  SESSION_OPENED,
  SESSION_STARTED,
  SOURCE_REGISTERED,
  TICK,
} from '../wire/runtime-events.js'

const SHORT_DIGEST = 12

type Field = (name: string) => string

const TEXTS: Readonly<Record<number, (field: Field) => string>> = {
  [SESSION_STARTED]: (f) =>
    `${f('session')}, datagrams of ${f('datagramBytes')} bytes, ${f('voters') === '' ? 'no voters' : `voters ${f('voters')}`}`,
  [SOURCE_REGISTERED]: (f) =>
    `source ${f('source')} is ${f('name')}${f('closes') === '0' ? '' : `, source ${f('closes')} is closed`}`,
  [TICK]: () => '',
  [ACTIVATED]: (f) => `${f('component')}/${f('instance')}, term ${f('term')}: ${f('reason')}`,
  [PASSIVATED]: (f) =>
    `${f('component')}${f('retired') === 'true' ? ' is retired' : ''}, term ${f('term')}: ${f('reason')}`,
  [EFFECT_DONE]: (f) => `${f('component')}, effect ${f('index')} of event ${f('sequence')}`,
  [DIGEST_REQUESTED]: (f) => (f('component') === '' ? 'all components' : f('component')),
  [DIGEST_TAKEN]: (f) => `${f('component')} after event ${f('sequence')}: ${f('digest').slice(0, SHORT_DIGEST)}`,
  [SESSION_ENDED]: (f) => (f('successor') === '' ? f('reason') : `${f('reason')}; session ${f('successor')} goes on`),
  [SESSION_OPENED]: (f) => (f('missing') === '' ? f('reason') : `${f('reason')}, without ${f('missing')}`),
  [SEED_DONE]: (f) => `${f('component')}, events ${f('events')}, commands to come ${f('pending')}`,
  [EFFECT_OWED]: (f) => `${f('component')}, effect ${f('key')}`,
}

/** @param payload as decoded, bytes in hex. @returns undefined for a type that is none of the runtime's */
export function runtimeEventText(type: number, payload: unknown): string | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined
  return TEXTS[type]?.((name) => String(Reflect.get(payload, name) ?? ''))
}
