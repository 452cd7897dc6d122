/** One replica of a component in a test session, as a process would hold it. */
import type { SeqcastError } from '../core/errors.js'
import type { Checkpoint } from '../wire/checkpoint.js'
import type { Carry } from './carry.js'
import type { Component } from './definition.js'
import { ComponentHost } from './host.js'
import type { HostObserver, HostOptions, Survivors } from './host-options.js'

export interface TestReplicaOptions {
  readonly instance?: string
  readonly incarnation?: number
  readonly nonce?: () => number
  readonly guard?: boolean
  readonly observer?: HostObserver
  readonly outboxCommands?: number
  readonly outsideCommands?: number
  readonly datagramBytes?: number
}

/** One replica in a session, with what it said. */
export interface TestReplica {
  /** Another one after a revocation. */
  readonly host: ComponentHost
  readonly instance: string
  readonly incarnation: number
  readonly errors: SeqcastError[]
  /** Each as `state: reason`. */
  readonly states: string[]
  /** Packets that it has sent. */
  sentPackets: number
  /** What it has begun the present session with; undefined where it was not there when the one before ended. */
  readonly carry: Carry | undefined
}

export class ReplicaProcess implements TestReplica {
  readonly instance: string
  readonly incarnation: number
  readonly errors: SeqcastError[] = []
  readonly states: string[] = []
  readonly #component: Component
  #options: HostOptions
  #send: (packet: Uint8Array) => void
  sentPackets = 0
  host: ComponentHost
  /** How many runs of the session it was given. */
  cursor = 0
  /** From here on events were revoked, and it does not know yet. */
  #revokedFrom = Number.POSITIVE_INFINITY

  /** Newest last; undefined where none are taken. */
  readonly #checkpoints: Checkpoint[] | undefined

  constructor(
    component: Component,
    options: HostOptions,
    send: (packet: Uint8Array) => void,
    takesCheckpoints = false,
  ) {
    this.#checkpoints = takesCheckpoints ? [] : undefined
    this.#component = component
    this.#options = options
    this.#send = send
    this.instance = options.instance
    this.incarnation = options.incarnation
    this.host = this.#createHost()
  }

  /** Another branch is the session from here on; `learn` tells the host. */
  revoke(fromSequence: number): void {
    this.#revokedFrom = Math.min(this.#revokedFrom, fromSequence)
  }

  /** The session has ended: goes on in the next one, with what it carries over. */
  roll(session: string, send: (packet: Uint8Array) => void): void {
    const { survivors: _, ...options } = this.#options
    this.#options = { ...options, session, carry: this.host.carryOver() }
    this.#send = send
    this.#revokedFrom = Number.POSITIVE_INFINITY
    this.cursor = 0
    this.#checkpoints?.splice(0)
    this.host = this.#createHost()
  }

  get carry(): Carry | undefined {
    return this.#options.carry
  }

  learn(): void {
    const from = this.#revokedFrom
    this.#revokedFrom = Number.POSITIVE_INFINITY
    if (this.host.nextSequence <= from) return
    const stable = this.host.stableSequence
    const survivors = this.host.revoked(from, 'another branch')
    const checkpoint = this.#checkpoints?.findLast(({ header }) => header.sequence < from && header.sequence <= stable)
    this.#checkpoints?.splice(0, this.#checkpoints.length, ...(checkpoint === undefined ? [] : [checkpoint]))
    this.host = this.#createHost(survivors, checkpoint)
    this.cursor = 0
  }

  /** The host has handled a run. @param event the bytes of its last event */
  handled(event: Uint8Array): void {
    if (this.#checkpoints === undefined || !this.host.canBeCaptured) return
    this.#checkpoints.push(this.host.checkpoint(event))
  }

  #createHost(survivors?: Survivors, checkpoint?: Checkpoint): ComponentHost {
    const options = {
      ...this.#options,
      ...(survivors === undefined ? {} : { survivors }),
      ...(checkpoint === undefined ? {} : { checkpoint }),
    }
    return new ComponentHost(this.#component, options, {
      sendCommands: (packet) => {
        this.sentPackets++
        this.#send(packet.slice())
      },
      stateChanged: (state, reason) => this.states.push(`${state}: ${reason}`),
      failed: (error) => this.errors.push(error),
    })
  }
}
