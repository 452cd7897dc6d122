/**
 * What a replica brought in from the outside world and what is not stable yet, after events were revoked: the outbox of its
 * outside source, silent. While the replica's successor in the same process reads the branch that lives, this learns which
 * of the commands are in it. Then the source goes on: with the same numbers, so that each command is sequenced once,
 * also where a later failover brings an older branch back.
 */
import type { SeqcastError } from '../core/errors.js'
import type { Outbox } from '../protocol/outbox.js'
import type { OutboxOutput, OutboxVerdict } from '../protocol/outbox-types.js'
import { eventSourceSequence } from '../wire/event.js'
import type { SourceRegistered } from '../wire/runtime-events.js'

export interface OutsideOutput {
  sendCommands(packet: Uint8Array): void
  returned?(latencyUs: number): void
  wantsFlush(): void
  failed(error: SeqcastError): void
}

/** What an outbox says, to the replica that has it now. */
export class OutsideOutlet implements OutboxOutput {
  to: OutsideOutput

  constructor(to: OutsideOutput) {
    this.to = to
  }

  sendCommands(packet: Uint8Array): void {
    this.to.sendCommands(packet)
  }

  returned(_sourceSequence: number, latencyUs: number): void {
    this.to.returned?.(latencyUs)
  }
}

export interface OutsideSource {
  readonly outbox: Outbox
  readonly outlet: OutsideOutlet
  /** Of its registration. */
  readonly nonce: number
  /** Who had spoken last when it was registered. */
  readonly after: LastSpoken
}

/**
 * The newest source of a component that has events, and how many. Registrations that nothing came under do not count: they say no word
 * that input could have gone on after.
 */
export interface LastSpoken {
  /** Of its registration; 0 where none has spoken. */
  readonly nonce: number
  readonly events: number
}

/**
 * `goes-on`: the branch has its registration, and none after it. `revoked`: the registration was revoked, and nobody has come
 * since; asking again under the same nonce gives a source that may have another number. `overtaken`: another process spoke for
 * the component since, be it the one that was closed and is not on this branch; or commands are gone that were before it.
 */
export type KeptVerdict = 'goes-on' | 'revoked' | 'overtaken'

export class KeptOutside {
  readonly from: OutsideSource
  readonly outbox: Outbox
  /** Of the newest registration on the branch, as far as it was read. */
  #newestNonce = 0
  /** The branch has its registration. */
  #isRegistered = false
  /** Its next event on the branch. */
  #next = 1

  /** @param from none of its commands counts as returned: reading the branch will tell */
  constructor(from: OutsideSource) {
    this.from = from
    this.outbox = from.outbox
    from.outbox.disconnect()
    from.outbox.unbind()
  }

  get nonce(): number {
    return this.from.nonce
  }

  /** Its number on this branch; 0 until its registration is read. */
  get source(): number {
    return this.outbox.source
  }

  /** A registration of the component's outside source, whoever's. */
  onRegistered({ nonce, source }: SourceRegistered, nowUs: number): void {
    this.#newestNonce = nonce
    if (nonce !== this.nonce) return
    this.#isRegistered = true
    this.outbox.bind(source, nowUs)
  }

  /**
   * The branch is read from a checkpoint on, at which the newest source has so many events: all of them stable.
   * @param registrations of the component's outside sources, in order
   */
  restore(registrations: readonly { readonly nonce: number; readonly number: number }[], events: number): void {
    const newest = registrations.at(-1)
    this.#newestNonce = newest?.nonce ?? 0
    this.#isRegistered = registrations.some(({ nonce }) => nonce === this.nonce)
    if (newest === undefined || newest.nonce !== this.nonce) return
    this.#next = events + 1
    this.outbox.bind(newest.number, 0)
  }

  onEvent(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number, nowUs: number): OutboxVerdict {
    const number = eventSourceSequence(bytes, at)
    this.#next = number + 1
    // Stable before, so it is in every branch.
    if (number < this.outbox.nextToReturn) return 'expected'
    return this.outbox.onEvent(sequence, bytes, at, lengthBytes, nowUs)
  }

  /** Once the branch is read to its end. @param last who has spoken last there */
  verdict(last: LastSpoken): KeptVerdict {
    const isWhole = this.#next >= this.outbox.nextToReturn
    if (!isWhole) return 'overtaken'
    if (this.#newestNonce === this.nonce) return 'goes-on'
    if (this.#isRegistered) return 'overtaken'
    const { nonce, events } = this.from.after
    return last.nonce === nonce && last.events === events ? 'revoked' : 'overtaken'
  }
}
