/** One replica of a component in a test session, as a process would hold it. */
import type { SeqcastError } from '../core/errors.js'
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

  constructor(component: Component, options: HostOptions, send: (packet: Uint8Array) => void) {
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
    this.host = this.#createHost()
  }

  get carry(): Carry | undefined {
    return this.#options.carry
  }

  learn(): void {
    const from = this.#revokedFrom
    this.#revokedFrom = Number.POSITIVE_INFINITY
    if (this.host.nextSequence <= from) return
    this.host = this.#createHost(this.host.revoked(from, 'another branch'))
    this.cursor = 0
  }

  #createHost(survivors?: Survivors): ComponentHost {
    const options = survivors === undefined ? this.#options : { ...this.#options, survivors }
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
