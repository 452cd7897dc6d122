/**
 * Whether a newer reign is believed. Without a key anybody can send one datagram that says so, well made. So a heartbeat alone
 * proves nothing: either a voter has said that it promised such an epoch, which it does before anybody reigns and then ten times a second,
 * or the sequencer goes on speaking.
 */

import { FIRST_EPOCH } from './sequencer-types.js'

/** In place of a sequencer's sender: stores that say how a session has ended say the same. No process has this number. */
export const A_STORE = 0

/** A sequencer speaks every tenth of a second at the least. A datagram that the network repeats comes much sooner. */
const SPEAKS_FOR_US = 50_000
const FORGOTTEN_US = 1_000_000

export class Witness {
  /** The first epoch takes nothing back: it needs no witness. */
  #promised = FIRST_EPOCH
  #epoch = 0
  #sender = 0
  #sinceUs = 0
  #heardUs = 0

  /** A voter says that it has promised this epoch to somebody. */
  promised(epoch: number): void {
    this.#promised = Math.max(this.#promised, epoch)
  }

  /** A sequencer of this epoch speaks. @returns true where it is one */
  believes(epoch: number, sender: number, nowUs: number): boolean {
    if (epoch <= this.#promised) return true
    if (epoch !== this.#epoch || sender !== this.#sender || nowUs - this.#heardUs > FORGOTTEN_US) {
      this.#epoch = epoch
      this.#sender = sender
      this.#sinceUs = nowUs
    }
    this.#heardUs = nowUs
    return nowUs - this.#sinceUs >= SPEAKS_FOR_US
  }
}
