/**
 * The commands that handlers issue. Every replica computes the same ones and keeps them under the component's shared
 * source; only the active replica's outbox is connected. Each one that comes back is compared with what was computed
 * here: where they differ, determinism is lost, and the component stops and says where.
 */
import { SeqcastError } from '../core/errors.js'
import { MAX_SEQUENCE } from '../core/limits.js'
import type { Logger } from '../core/log.js'
import { Outbox } from '../protocol/outbox.js'
import type { OutboxMessage } from '../protocol/outbox-types.js'
import { DIGEST_TAKEN } from '../wire/runtime-events.js'
import { breachError } from './breach.js'
import type { Fields } from './checkpoint-fields.js'
import type { UntypedSchema } from './schema.js'

export interface CommandsOptions {
  readonly component: string
  readonly session: string
  readonly schema: UntypedSchema
  readonly capacityCommands: number
  readonly tagBytes: number
  readonly logger: Logger
}

export interface CommandsOutput {
  sendCommands(packet: Uint8Array): void
  returned?(latencyUs: number): void
}

export class Commands {
  readonly #options: CommandsOptions
  readonly #output: CommandsOutput
  #outbox: Outbox | undefined
  #connected = false
  #held = false
  #epoch = 0

  constructor(options: CommandsOptions, output: CommandsOutput) {
    this.#options = options
    this.#output = output
  }

  /** The number of the shared source; 0 while it is not registered. */
  get source(): number {
    return this.#outbox?.source ?? 0
  }

  get held(): number {
    return this.#outbox?.commands ?? 0
  }

  /** How many were sent again, because they did not come back in time. */
  get resent(): number {
    return this.#outbox?.counters.resentCommands ?? 0
  }

  /** The constants of the session are known: numbering can begin. */
  open(datagramBytes: number, fragmentBytes: number, firstSourceSequence = 1): void {
    const { session, capacityCommands, tagBytes, logger } = this.#options
    this.#outbox = new Outbox(
      { session, source: 0, firstSourceSequence, datagramBytes, tagBytes, fragmentBytes, capacityCommands, logger },
      {
        sendCommands: (packet) => this.#output.sendCommands(packet),
        returned: (_, latencyUs) => this.#output.returned?.(latencyUs),
      },
    )
    this.#outbox.onHeld(this.#held)
    this.#outbox.setEpoch(this.#epoch, 0)
  }

  /** The reign of the newest event: what was sent under another one and is no event goes out again. */
  setEpoch(epoch: number, nowUs: number): void {
    this.#epoch = epoch
    this.#outbox?.setEpoch(epoch, nowUs)
  }

  /**
   * @returns the source sequence of its last block
   * @throws SeqcastError E_OUTBOX_FULL; Error before the session's first event
   */
  append(type: number, payload: Uint8Array, nowUs: number): number {
    const outbox = this.#outbox
    if (outbox === undefined) throw new Error(`${this.#options.component}: a command before the session's first event`)
    if (outbox.isFull) {
      // A long rewind returns more commands than are worth keeping, maybe before anything is heard of stability. They are
      // events; a replica that learns that events were revoked is built anew, and computes them again.
      outbox.onStable(MAX_SEQUENCE)
      if (outbox.isFull) throw this.#full(outbox.commands)
    }
    return outbox.append(type, payload, nowUs)
  }

  bind(source: number, nowUs: number): void {
    this.#outbox?.bind(source, nowUs)
  }

  /** What was issued and has not come back; what has is an event, and stable wherever this is used. */
  capture(): object {
    const outbox = this.#outbox
    if (outbox === undefined) throw new Error(`${this.#options.component}: captured before the session's first event`)
    return { source: outbox.source, ...outbox.capture() }
  }

  /** Instead of `open`. */
  restore(from: Fields, datagramBytes: number, fragmentBytes: number): void {
    this.open(datagramBytes, fragmentBytes, from.whole('first'))
    this.#outbox?.restore(from.whole('returned'), from.bytes('blocks'))
    const source = from.whole('source')
    if (source !== 0) this.bind(source, 0)
  }

  connect(nowUs: number): void {
    this.#connected = true
    this.#outbox?.connect(nowUs)
  }

  disconnect(): void {
    if (!this.#connected) return
    this.#connected = false
    this.#outbox?.disconnect()
  }

  /** Checks an event of the shared source. @returns what is wrong, or undefined */
  verify(
    sequence: number,
    bytes: Uint8Array,
    at: number,
    lengthBytes: number,
    nowUs: number,
  ): SeqcastError | undefined {
    const outbox = this.#outbox
    if (outbox === undefined) return undefined
    const verdict = outbox.onEvent(sequence, bytes, at, lengthBytes, nowUs)
    if (verdict === 'expected') return undefined
    const { component: name, schema } = this.#options
    return breachError({ name, schema }, outbox, sequence, bytes, at, lengthBytes)
  }

  /** What handlers issued and the stream does not have, as whole messages; without digests, which are of this session. */
  unsequenced(): OutboxMessage[] {
    return this.#outbox?.unsequenced().filter(({ type }) => type !== DIGEST_TAKEN) ?? []
  }

  onStable(stableSequence: number): void {
    this.#outbox?.onStable(stableSequence)
  }

  onHeld(held: boolean): void {
    this.#held = held
    this.#outbox?.onHeld(held)
  }

  flush(nowUs: number): void {
    if (this.#connected) this.#outbox?.flush(nowUs)
  }

  tick(nowUs: number): number {
    return this.#outbox?.tick(nowUs) ?? Number.POSITIVE_INFINITY
  }

  #full(commands: number): SeqcastError {
    const { component } = this.#options
    return new SeqcastError('E_OUTBOX_FULL', `${component} holds ${commands} commands that are not events`, {
      hint: 'activate a replica of it; or a handler issues commands without end; or raise outboxCommands',
      fields: { component, commands },
    })
  }
}
