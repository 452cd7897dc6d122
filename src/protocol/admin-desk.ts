/**
 * Decides requests of operators and tools. A decision is an event, so that everybody learns it at the same sequence; the reply
 * only says which. A request is repeated under its nonce until it is answered, and is carried out once.
 */
import type { AdminReply, AdminRequest } from '../wire/control.js'
import type { Codec } from '../wire/protobuf.js'
import {
  ACTIVATED,
  activatedCodec,
  DIGEST_REQUESTED,
  digestRequestedCodec,
  PASSIVATED,
  passivatedCodec,
} from '../wire/runtime-events.js'
import type { ActivationTable } from './activation-table.js'
import { isName } from './source-table.js'

export interface AdminDeskOutput {
  /** Sequences an event of the sequencer's own. @returns its sequence */
  sequence(type: number, payload: Uint8Array, nowUs: number, wallUs: number): number
  /** Ends the session. @returns the sequence of the event that says so, or why not */
  endSession(reason: string, nowUs: number, wallUs: number): number | string
  /** Opens a session whose seeds have not all come. @returns the sequence of the event that says so, or why not */
  openSession(reason: string, nowUs: number, wallUs: number): number | string
  /** Sessions wait for the component's seed. */
  isAwaited(component: string): boolean
  /** The component is out of service from now on. */
  retired(component: string): void
}

export type NoReplyReason = 'admin-without-nonce' | 'admin-not-open'

/** Replies that are remembered, so that a repeated request gets the same one. */
const MAX_REPLIES = 1_024

export class AdminDesk {
  readonly #activations: ActivationTable
  readonly #payloadBytes: number
  readonly #output: AdminDeskOutput
  /** Sequences of the decisions, by nonce. Errors are not kept: nothing happened, and the next try may go well. */
  readonly #decisions = new Map<number, number>()

  /** @param payloadBytes the longest payload of an event */
  constructor(activations: ActivationTable, payloadBytes: number, output: AdminDeskOutput) {
    this.#activations = activations
    this.#payloadBytes = payloadBytes
    this.#output = output
  }

  /**
   * Carries out a request once; while the session is not open, none.
   * @returns the reply, or why there is none
   */
  handle(request: AdminRequest, isOpen: boolean, nowUs: number, wallUs: number): AdminReply | NoReplyReason {
    const { nonce } = request
    if (nonce < 1) return 'admin-without-nonce'
    const sequence = this.#decisions.get(nonce)
    if (sequence !== undefined) return { nonce, error: '', sequence }
    return isOpen ? this.#decide(request, nowUs, wallUs) : 'admin-not-open'
  }

  #decide(request: AdminRequest, nowUs: number, wallUs: number): AdminReply {
    const outcome = this.#carryOut(request, nowUs, wallUs)
    if (typeof outcome === 'string') return { nonce: request.nonce, error: outcome, sequence: 0 }
    this.#remember(request.nonce, outcome)
    return { nonce: request.nonce, error: '', sequence: outcome }
  }

  /** @returns the sequence of the event that carries the decision, or what was wrong */
  #carryOut(request: AdminRequest, nowUs: number, wallUs: number): number | string {
    switch (request.action) {
      case 'activate':
        return this.#activate(request, nowUs, wallUs)
      case 'offer':
        return this.#offer(request, nowUs, wallUs)
      case 'passivate':
        return this.#passivate(request, nowUs, wallUs)
      case 'retire':
        return this.#retire(request, nowUs, wallUs)
      case 'digest':
        return this.#digest(request, nowUs, wallUs)
      case 'end-session':
        return this.#output.endSession(request.reason, nowUs, wallUs)
      case 'open-session':
        return this.#output.openSession(request.reason, nowUs, wallUs)
      default:
        return `unknown action '${request.action}'`
    }
  }

  #activate(request: AdminRequest, nowUs: number, wallUs: number): number | string {
    const { component, instance, expectedTerm } = request
    if (!isName(component) || !isName(instance)) return 'a component and an instance must be named'
    const current = this.#activations.of(component)
    if (expectedTerm !== 0 && expectedTerm !== current.term) return wrongTerm(component, current.term, expectedTerm)
    const incarnation = request.incarnation || this.#activations.incarnationOf(component, instance, nowUs)
    if (typeof incarnation === 'string') return incarnation
    return this.#makeActive(request, incarnation, nowUs, wallUs)
  }

  /**
   * A replica found nobody active, in the term that it names. Two that found the same have named the same term: the second comes too
   * late. Whoever is heard to be active here is not replaced; only the replica may be cut off from it.
   */
  #offer(request: AdminRequest, nowUs: number, wallUs: number): number | string {
    const { component, instance, incarnation, expectedTerm } = request
    if (!isName(component) || !isName(instance) || incarnation < 1)
      return 'an offer names its component and its process'
    const { term, active, isRetired } = this.#activations.of(component)
    if (expectedTerm !== term) return wrongTerm(component, term, expectedTerm)
    if (isRetired) return `component '${component}' is retired: an operator has to activate it`
    const heardMs = this.#activations.activeHeardMs(component, nowUs)
    if (heardMs !== undefined && active?.incarnation !== incarnation) {
      return `instance '${active?.instance}' of component '${component}' is active, and was heard ${heardMs} ms ago`
    }
    return this.#makeActive(request, incarnation, nowUs, wallUs)
  }

  #makeActive(request: AdminRequest, incarnation: number, nowUs: number, wallUs: number): number {
    const { component, instance, reason } = request
    const current = this.#activations.of(component)
    const { active } = current
    if (active?.instance === instance && active.incarnation === incarnation) return current.sequence
    const event = { component, instance, incarnation, term: current.term + 1, reason }
    const payload = encodeWithReason(activatedCodec, event, this.#payloadBytes)
    const sequence = this.#output.sequence(ACTIVATED, payload, nowUs, wallUs)
    this.#activations.activated(event, sequence)
    return sequence
  }

  #passivate(request: AdminRequest, nowUs: number, wallUs: number): number | string {
    const { component, expectedTerm, reason } = request
    const current = this.#activations.of(component)
    if (expectedTerm !== 0 && expectedTerm !== current.term) return wrongTerm(component, current.term, expectedTerm)
    if (current.active === undefined) return `no instance of component '${component}' is active`
    const event = { component, term: current.term + 1, reason }
    const payload = encodeWithReason(passivatedCodec, event, this.#payloadBytes)
    const sequence = this.#output.sequence(PASSIVATED, payload, nowUs, wallUs)
    this.#activations.passivated(event, sequence)
    return sequence
  }

  /** Where a replica is active and there, its state would be lost by a slip of the pen. */
  #retire({ component, expectedTerm, reason }: AdminRequest, nowUs: number, wallUs: number): number | string {
    const current = this.#activations.of(component)
    if (expectedTerm !== 0 && expectedTerm !== current.term) return wrongTerm(component, current.term, expectedTerm)
    if (current.isRetired) return current.sequence
    if (current.term === 0 && !this.#output.isAwaited(component))
      return `component '${component}' was never active, and no session waits for it`
    const heardMs = this.#activations.activeHeardMs(component, nowUs)
    if (heardMs !== undefined)
      return `instance '${current.active?.instance}' of component '${component}' is active, and was heard ${heardMs} ms ago: stop it, or passivate the component first`
    const event = { component, term: current.term + 1, reason, retired: true }
    const payload = encodeWithReason(passivatedCodec, event, this.#payloadBytes)
    const sequence = this.#output.sequence(PASSIVATED, payload, nowUs, wallUs)
    this.#activations.passivated(event, sequence)
    this.#output.retired(component)
    return sequence
  }

  #digest({ component, nonce }: AdminRequest, nowUs: number, wallUs: number): number | string {
    if (component !== '' && !isName(component)) return 'the component has no valid name'
    return this.#output.sequence(DIGEST_REQUESTED, digestRequestedCodec.encode({ component, nonce }), nowUs, wallUs)
  }

  #remember(nonce: number, sequence: number): void {
    this.#decisions.set(nonce, sequence)
    if (this.#decisions.size <= MAX_REPLIES) return
    for (const oldest of this.#decisions.keys()) {
      this.#decisions.delete(oldest)
      return
    }
  }
}

/** The payload of an event with a reason; a reason that does not fit the datagram is left out rather than the event. */
export function encodeWithReason<T extends { reason: string }>(
  codec: Codec<T>,
  event: T,
  limitBytes: number,
): Uint8Array {
  const payload = codec.encode(event)
  return payload.length <= limitBytes ? payload : codec.encode({ ...event, reason: '' })
}

function wrongTerm(component: string, term: number, expected: number): string {
  return `component '${component}' is in term ${term}, not ${expected}`
}
