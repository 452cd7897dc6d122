/**
 * G8, first half: who is passive is silent. Whether a replica is active is told by the events that it was given: the newest
 * `Activated` of its component names this process. Commands, and effects, of any other are a violation.
 *
 * What a replica issued while it was active goes out a last time in the moment in which it becomes passive.
 */
import type { SimObserver, SimProcess, SimStream } from '../observer.js'
import { Violation } from '../violation.js'
import type { SeenEffect } from '../watch-effects.js'
import { ACTIVATED, type ControlSays, PASSIVATED, readRoleEvent } from './messages.js'
import { eachBlock, HEADER_BYTES, u16 } from './reading.js'

interface Replica {
  /** The process, by its number on the control stream; 0 until it has spoken. */
  sender: number
  isActive: boolean
  /** When it last ceased to be active. */
  passiveSinceUs: number
}

export class Passive implements SimObserver {
  readonly #mayAllSpeak: ReadonlySet<string>
  readonly #replicas = new Map<string, Replica>()

  /** @param mayAllSpeak components of which every replica is active where one is */
  constructor(mayAllSpeak: ReadonlySet<string> = new Set()) {
    this.#mayAllSpeak = mayAllSpeak
  }

  started(process: SimProcess): void {
    if (process.kind === 'component') {
      this.#replicas.set(process.node, { sender: 0, isActive: false, passiveSinceUs: Number.NEGATIVE_INFINITY })
    }
  }

  control(process: SimProcess, says: ControlSays): void {
    const replica = this.#replicas.get(process.node)
    if (replica !== undefined) replica.sender = says.sender
  }

  delivered(
    process: SimProcess,
    _sequence: number,
    count: number,
    bytes: Uint8Array,
    start: number,
    _end: number,
    nowUs: number,
  ): void {
    const replica = this.#replicas.get(process.node)
    if (replica === undefined) return
    eachBlock(bytes, start, count, (from, to) => {
      const type = u16(bytes, from)
      if (type !== ACTIVATED && type !== PASSIVATED) return
      const role = readRoleEvent(type, bytes.subarray(from + HEADER_BYTES, to))
      if (role.component !== process.component) return
      const isThis = role.instance === process.instance && role.incarnation === replica.sender
      const isNamed = isThis || (type === ACTIVATED && this.#mayAllSpeak.has(process.component))
      this.#setActive(replica, isNamed, nowUs)
    })
  }

  revoked(process: SimProcess, _fromSequence: number, nowUs: number): void {
    const replica = this.#replicas.get(process.node)
    if (replica !== undefined) this.#setActive(replica, false, nowUs)
  }

  sent(process: SimProcess, stream: SimStream, _bytes: Uint8Array, nowUs: number): void {
    if (stream === 'command') this.#require(process, nowUs, 'sends commands')
  }

  effectBegan(process: SimProcess, effect: SeenEffect, nowUs: number): void {
    this.#require(process, nowUs, `has an effect (${effect.key})`)
  }

  #require(process: SimProcess, nowUs: number, what: string): void {
    const replica = this.#replicas.get(process.node)
    if (replica === undefined || replica.isActive || replica.passiveSinceUs === nowUs) return
    throw new Violation('G8', `passive and not silent: ${process.node} ${what}, and no event says that it is active`)
  }

  #setActive(replica: Replica, isActive: boolean, nowUs: number): void {
    if (replica.isActive && !isActive) replica.passiveSinceUs = nowUs
    replica.isActive = isActive
  }
}
