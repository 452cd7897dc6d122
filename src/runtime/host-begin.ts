/**
 * The hosts of a replica, one after the other, and where each begins to read the stream: at the event that its checkpoint was taken after,
 * which proves that it is of this stream, or at the first one.
 */
import type { Carry } from '../component/carry.js'
import { isOfStream } from '../component/checkpoint.js'
import type { Component } from '../component/definition.js'
import { ComponentHost } from '../component/host.js'
import type { HostOptions, HostOutput, Survivors } from '../component/host-options.js'
import { KeptOutside } from '../component/kept-outside.js'
import type { Checkpoint, CheckpointHeader } from '../wire/checkpoint.js'
import { BLOCK_LENGTH_BYTES, skipBlocks } from '../wire/moldudp64.js'
import type { ComponentCheckpoints } from './component-checkpoints.js'
import type { EventLinkOptions } from './event-link.js'

/** What a host is made of besides its checkpoint. */
export interface HostPast {
  readonly session: string
  /** What the process has brought from the session before. */
  readonly carry: Carry | undefined
  /** What outlives the host before, whose events were revoked. */
  readonly survivors?: Survivors
}

export class HostBegin {
  readonly #component: Component
  readonly #options: Omit<HostOptions, 'session'>
  readonly #output: HostOutput
  readonly #checkpoints: ComponentCheckpoints | undefined
  #past: HostPast | undefined
  #unproven: CheckpointHeader | undefined

  constructor(
    component: Component,
    options: Omit<HostOptions, 'session'>,
    output: HostOutput,
    checkpoints: ComponentCheckpoints | undefined,
  ) {
    this.#component = component
    this.#options = options
    this.#output = output
    this.#checkpoints = checkpoints
  }

  /** The first event that the stream is to give. */
  get sequence(): number {
    return this.#unproven?.sequence ?? 1
  }

  /** The present host was made of a checkpoint, and the event that it was taken after has not been seen in the stream yet. */
  get isUnproven(): boolean {
    return this.#unproven !== undefined
  }

  /** What the stream is opened with. */
  get link(): Pick<EventLinkOptions, 'nextSequence' | 'epochTable' | 'hasVoters'> {
    const nextSequence = this.sequence
    if (this.#unproven === undefined) return { nextSequence }
    const { epochTable, hasVoters } = this.#unproven
    return { nextSequence, epochTable, hasVoters }
  }

  /** A host that begins after a checkpoint of an event before `below`, if there is one. */
  host(past: HostPast, below = Number.POSITIVE_INFINITY): ComponentHost {
    this.#past = past
    const make = (checkpoint?: Checkpoint): ComponentHost => this.#make(past, checkpoint)
    const [host, checkpoint] = this.#checkpoints?.begin(below, make) ?? [make(), undefined]
    this.#unproven = checkpoint?.header
    if (checkpoint !== undefined) {
      const { component, sequence } = checkpoint.header
      this.#options.logger?.info(
        { component, sequence },
        `component: begins after event ${sequence}, from a checkpoint`,
      )
    }
    return host
  }

  /** Looks at the first event of a run, which is the first one of the stream here. @returns whether the host may go on after it */
  proves(bytes: Uint8Array, start: number): boolean {
    const header = this.#unproven
    const event = bytes.subarray(start + BLOCK_LENGTH_BYTES, skipBlocks(bytes, start, 1))
    if (header !== undefined && !isOfStream(header, event)) return false
    this.#unproven = undefined
    return true
  }

  /** The checkpoint is not of this stream: the host of an older one, with the same past. */
  hostBefore(reason: string): ComponentHost {
    const { sequence } = this
    this.#checkpoints?.foreign(sequence, reason)
    const past = this.#past
    if (past === undefined) throw new Error('there was no host')
    const { survivors, ...rest } = past
    return this.host(survivors === undefined ? rest : { ...rest, survivors: withFreshEyes(survivors) }, sequence)
  }

  #make({ session, carry, survivors }: HostPast, checkpoint: Checkpoint | undefined): ComponentHost {
    const large = this.#checkpoints?.large
    return new ComponentHost(
      this.#component,
      {
        ...this.#options,
        session,
        ...(survivors === undefined ? {} : { survivors }),
        ...(checkpoint === undefined ? {} : { checkpoint }),
        ...(carry === undefined ? {} : { carry }),
        ...(large === undefined ? {} : { large }),
      },
      this.#output,
    )
  }
}

/** What was kept has met the branch of a checkpoint that was not used, and has to meet another one. */
function withFreshEyes(survivors: Survivors): Survivors {
  const { outside } = survivors
  return outside === undefined ? survivors : { ...survivors, outside: new KeptOutside(outside.from) }
}
