/**
 * What nobody may say of the voters' lives with one datagram: a newer life makes void what a voter has said before, and a voter that hears of
 * one of its own believes that its data is lost (see lives.ts). Who tells of one says so again, as everybody does ten times a second. Until
 * then the whole message is dropped, as if the network had lost it: its acknowledgement may rest on the life that it tells.
 */
import type { ControlMessage } from '../wire/control.js'
import { type LifeEntries, Lives } from './lives.js'
import { isSequencing } from './sequencer-states.js'
import { FIRST_EPOCH } from './sequencer-types.js'
import { Witness } from './witness.js'

/** Any epoch that a witness has not been promised: here it is asked about the speaker only. */
const UNPROMISED = FIRST_EPOCH + 1
/** Heartbeats have no voter's name. */
const SEQUENCER = ''

export class LifeGuard {
  /** Messages that were dropped. */
  refused = 0
  readonly #known: () => LifeEntries
  /** For each voter that has told of a newer life, and for the sequencer. */
  readonly #witnesses = new Map<string, Witness>()

  /** @param known the newest life that is known of each voter; empty where the session is not known to be founded: then all is believed */
  constructor(known: () => LifeEntries) {
    this.#known = known
  }

  /** @returns false where the message tells of a life that is not believed, at least not yet */
  admits(message: ControlMessage, nowUs: number): boolean {
    const isHeartbeat = message.kind === 'sequencer' && isSequencing(message.body.state)
    if (!isHeartbeat && message.kind !== 'store') return true
    const { lives } = message.body
    const known = new Lives(this.#known())
    if (lives === undefined || known.voters === 0 || !known.isOlderThan(lives)) return true
    const speaker = message.kind === 'store' ? message.body.voter : SEQUENCER
    const isMember = isHeartbeat || known.of(speaker) > 0
    if (isMember && this.#witness(speaker).believes(UNPROMISED, message.sender, nowUs)) return true
    this.refused += 1
    return false
  }

  #witness(speaker: string): Witness {
    const witness = this.#witnesses.get(speaker) ?? new Witness()
    this.#witnesses.set(speaker, witness)
    return witness
  }
}
