/** `seqcast admin retire`: takes a component out of service, and says what that means. */
import { decide } from './admin.js'
import type { Observer } from './observer.js'

export interface Retired {
  readonly sequence: number
  /** It was out of service before. */
  readonly already: boolean
  readonly text: string
}

/** @throws SeqcastError E_REFUSED with the reason, E_TIMEOUT */
export async function retire(observer: Observer, component: string, reason: string): Promise<Retired> {
  const already = [...observer.heard.sequencers.values()].some(({ retired = [] }) => retired.includes(component))
  const { sequence } = await decide(observer, 'retire', component, '', reason)
  const text = already
    ? `${component} is retired already, since event ${sequence}`
    : [
        `${component} is retired since event ${sequence}: no session waits for it any more`,
        'what it would have carried over into the next one is dropped: its live entities, effects that are owed, commands that were not sequenced',
        `to have it back, without that: seqcast admin activate ${component}`,
      ].join('\n')
  return { sequence, already, text }
}
