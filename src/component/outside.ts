/**
 * What an active component brings in from the outside world. Such commands are not deterministic, so they go out under an
 * exclusive source, registered anew at each activation; that closes the one before. When the registration is delivered,
 * everything that the earlier process ever got sequenced has been delivered too, so input and effects resume exactly
 * there.
 *
 * `closed` -> `registering` -> `open` -> `closed`
 */
import { messageOf, SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import { Outbox } from '../protocol/outbox.js'
import type { OutboxVerdict } from '../protocol/outbox-types.js'
import type { Component, UntypedPort } from './definition.js'
import { Registration } from './registration.js'

export interface OutsideOptions {
  readonly component: Component
  readonly session: string
  readonly capacityCommands: number
  readonly tagBytes: number
  readonly logger: Logger
  /** Monotonic microseconds, for what is issued outside of a turn of the host. */
  readonly nowUs: () => number
}

export interface OutsideOutput {
  sendCommands(packet: Uint8Array): void
  returned?(latencyUs: number): void
  wantsFlush(): void
  failed(error: SeqcastError): void
}

interface OpenOutside {
  readonly outbox: Outbox
  readonly aborter: AbortController
}

/** The name of the exclusive source of a component. */
export function outsideSourceName(component: string): string {
  return `${component}/outside`
}

export class Outside {
  readonly #options: OutsideOptions
  readonly #output: OutsideOutput
  readonly #registration: Registration
  #open: OpenOutside | undefined
  #held = false
  /** By outboxes that are closed. */
  #resentBefore = 0

  constructor(options: OutsideOptions, output: OutsideOutput) {
    this.#options = options
    this.#output = output
    this.#registration = new Registration(options.session, (packet) => output.sendCommands(packet))
  }

  get state(): 'closed' | 'registering' | 'open' {
    if (this.#open !== undefined) return 'open'
    return this.#registration.nonce === 0 ? 'closed' : 'registering'
  }

  /** Its source; 0 while it is not open. */
  get source(): number {
    return this.#open?.outbox.source ?? 0
  }

  get nonce(): number {
    return this.#registration.nonce
  }

  get commands(): number {
    return this.#open?.outbox.commands ?? 0
  }

  /** How many were sent again, because they did not come back in time. */
  get resent(): number {
    return this.#resentBefore + (this.#open?.outbox.counters.resentCommands ?? 0)
  }

  get canSend(): boolean {
    return this.#open !== undefined && !this.#open.outbox.isFull
  }

  /** Asks for a source, closing what is open. @param nonce one that nobody else uses */
  register(nonce: number, nowUs: number): void {
    this.close()
    const { component } = this.#options
    const name = outsideSourceName(component.name)
    const wanted = {
      name,
      nonce,
      exclusive: true,
      component: component.name,
      schemaHash: component.schema.hash,
    }
    this.#registration.request(wanted, nowUs)
  }

  /** The stream granted the source; the outbox can send. */
  open(source: number, datagramBytes: number, fragmentBytes: number, nowUs: number): void {
    this.#registration.end()
    const { session, capacityCommands, tagBytes, logger } = this.#options
    const outbox = new Outbox(
      { session, source, firstSourceSequence: 1, datagramBytes, tagBytes, fragmentBytes, capacityCommands, logger },
      {
        sendCommands: (packet) => this.#output.sendCommands(packet),
        returned: (_, latencyUs) => this.#output.returned?.(latencyUs),
      },
    )
    outbox.onHeld(this.#held)
    outbox.connect(nowUs)
    this.#open = { outbox, aborter: new AbortController() }
  }

  /** Starts the component's input, where it has one. */
  startInput(state: unknown): void {
    const { component } = this.#options
    const open = this.#open
    if (open === undefined || component.input === undefined) return
    const ended = (thrown: unknown): void => {
      if (!open.aborter.signal.aborted) this.#output.failed(inputError(component.name, thrown))
    }
    try {
      Promise.resolve(component.input(this.#portOf(open), state)).catch(ended)
    } catch (thrown) {
      ended(thrown)
    }
  }

  /**
   * Passive: input is told to end. What was issued so far is sent a last time, so that what is done is known to be done;
   * where that is lost, or comes after the next registration, it is issued again by whoever is active next.
   */
  close(): void {
    this.#registration.end()
    const open = this.#open
    if (open === undefined) return
    this.#open = undefined
    open.outbox.flush(this.#options.nowUs())
    open.outbox.disconnect()
    this.#resentBefore += open.outbox.counters.resentCommands
    open.aborter.abort(new Error(`${this.#options.component.name} is no longer active`))
  }

  append(type: number, payload: Uint8Array): void {
    this.#open?.outbox.append(type, payload, this.#options.nowUs())
  }

  onEvent(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number, nowUs: number): OutboxVerdict {
    return this.#open?.outbox.onEvent(sequence, bytes, at, lengthBytes, nowUs) ?? 'unknown'
  }

  onStable(stableSequence: number): void {
    this.#open?.outbox.onStable(stableSequence)
  }

  onHeld(held: boolean): void {
    this.#held = held
    this.#open?.outbox.onHeld(held)
  }

  flush(nowUs: number): void {
    this.#open?.outbox.flush(nowUs)
  }

  tick(nowUs: number): number {
    const deadlineUs = this.#registration.tick(nowUs)
    return Math.min(deadlineUs, this.#open?.outbox.tick(nowUs) ?? Number.POSITIVE_INFINITY)
  }

  #portOf({ outbox, aborter: { signal } }: OpenOutside): UntypedPort {
    const { component, nowUs } = this.#options
    const { name: componentName, schema } = component
    return {
      signal,
      send: (name, payload) => {
        if (signal.aborted) throw new Error(`${componentName} is no longer active: its input must end`)
        const type = schema.typeOf(name)
        if (type === undefined) throw new Error(`${componentName}: '${name}' is no event of its schema`)
        if (outbox.isFull) throw new Error(`${componentName}: the outbox is full; await ready() before send`)
        outbox.append(type, schema.encode(name, payload), nowUs())
        this.#output.wantsFlush()
      },
      ready: () => (outbox.isFull ? untilSpace(outbox, signal) : Promise.resolve()),
    }
  }
}

/** Resolves at an abort, too: the caller's next `send` or look at the signal ends it. */
async function untilSpace(outbox: Outbox, signal: AbortSignal): Promise<void> {
  while (outbox.isFull && !signal.aborted) {
    await new Promise<void>((resolve) => {
      const aborted = (): void => resolve()
      signal.addEventListener('abort', aborted, { once: true })
      void outbox.space().then(() => {
        signal.removeEventListener('abort', aborted)
        resolve()
      })
    })
  }
}

function inputError(component: string, thrown: unknown): SeqcastError {
  return new SeqcastError('E_INPUT', `the input of ${component} failed: ${messageOf(thrown)}`, {
    hint: 'the component is stopped; activate another replica, which resumes after the last sequenced command',
    fields: { component },
    cause: thrown,
  })
}
