/**
 * What else the stable stream must be, event by event: the session begins once, and each epoch with its opening; its time never goes
 * back, whoever's clock did; a registration that was asked for once is there once; and the decisions about who is active
 * follow each other, so that each was made by one who knew the one before (G1, G3, G8).
 */
import { Violation } from '../violation.js'
import type { Reader } from './chronicle.js'
import {
  ACTIVATED,
  EPOCH_OPENED,
  PASSIVATED,
  readRegistered,
  readRoleEvent,
  SESSION_STARTED,
  SOURCE_REGISTERED,
} from './messages.js'
import { type EventFields, readEvent, u32 } from './reading.js'

export class Annals implements Reader {
  #epoch = 0
  #high = 0
  #low = 0
  readonly #nonces = new Map<string, number>()
  readonly #terms = new Map<string, number>()

  stableEvent(sequence: number, bytes: Uint8Array): void {
    const event = readEvent(bytes)
    this.#checkOpening(sequence, event)
    this.#checkTime(sequence, u32(bytes, 8), u32(bytes, 12))
    if (event.type === SOURCE_REGISTERED) this.#checkRegistration(sequence, event.payload)
    else if (event.type === ACTIVATED || event.type === PASSIVATED) this.#checkTerm(sequence, event)
  }

  #checkOpening(sequence: number, { type, epoch }: EventFields): void {
    if (type === SESSION_STARTED && sequence !== 1) {
      throw new Violation('G1', `two beginnings: event ${sequence} of the stable stream begins the session`)
    }
    const opens = sequence === 1 || type === EPOCH_OPENED
    if (epoch < this.#epoch || epoch > this.#epoch !== opens) {
      const after = `after one of epoch ${this.#epoch}`
      throw new Violation(
        'G1',
        `an epoch without an opening: event ${sequence} of type ${type} in epoch ${epoch} ${after}`,
      )
    }
    this.#epoch = epoch
  }

  #checkTime(sequence: number, high: number, low: number): void {
    if (high < this.#high || (high === this.#high && low < this.#low)) {
      throw new Violation('G1', `time goes back: event ${sequence} is older than the one before`)
    }
    this.#high = high
    this.#low = low
  }

  #checkRegistration(sequence: number, payload: Uint8Array): void {
    const { name, nonce } = readRegistered(payload)
    const key = `${name}/${nonce}`
    const before = this.#nonces.get(key)
    if (before !== undefined) {
      throw new Violation(
        'G3',
        `a command became two events: ${name} is registered by one request at ${before} and at ${sequence}`,
      )
    }
    this.#nonces.set(key, sequence)
  }

  #checkTerm(sequence: number, { type, payload }: EventFields): void {
    const { component, term } = readRoleEvent(type, payload)
    const before = this.#terms.get(component) ?? 0
    if (term !== before + 1) {
      throw new Violation(
        'G8',
        `a decision made twice: event ${sequence} is term ${term} of ${component}, after term ${before}`,
      )
    }
    this.#terms.set(component, term)
  }
}
