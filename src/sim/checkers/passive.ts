/**
 * G8, first half: who is passive is silent. Whether a replica is active is told by the events that it was given: the newest
 * `Activated` of its component names this process. Commands, and effects, of any other are a violation.
 *
 * What a component carries over into a session is the same on all of its replicas: whoever is there sends it, active or not.
 *
 * What a replica issued while it was active goes out a last time in the moment in which it becomes passive.
 */
import type { SimObserver, SimProcess, SimStream } from '../observer.js'
import { Violation } from '../violation.js'
import type { SeenEffect } from '../watch-effects.js'
import {
  ACTIVATED,
  PASSIVATED,
  readRegistered,
  readRequestedName,
  readRoleEvent,
  SOURCE_REGISTERED,
  seedComponentOf,
} from './messages.js'
import { COMMAND_BLOCKS_AT, eachBlock, HEADER_BYTES, readCommandPacket, u16 } from './reading.js'

interface Replica {
  isActive: boolean
  /** Sources of what was carried over, whose commands are the same from everybody. */
  readonly seedSources: Set<number>
  /** When it last ceased to be active. */
  passiveSinceUs: number
}

export class Passive implements SimObserver {
  readonly #senderOf: (node: string) => number
  readonly #mayAllSpeak: ReadonlySet<string>
  readonly #replicas = new Map<string, Replica>()

  /**
   * @param senderOf the process of a node, by its number on the control stream; 0 until it has spoken
   * @param mayAllSpeak components of which every replica is active where one is
   */
  constructor(senderOf: (node: string) => number, mayAllSpeak: ReadonlySet<string> = new Set()) {
    this.#senderOf = senderOf
    this.#mayAllSpeak = mayAllSpeak
  }

  started(process: SimProcess): void {
    if (process.kind === 'component') {
      const passiveSinceUs = Number.NEGATIVE_INFINITY
      this.#replicas.set(process.node, { isActive: false, seedSources: new Set(), passiveSinceUs })
    }
  }

  began(process: SimProcess, nowUs: number): void {
    this.#beginAnew(process, nowUs)
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
      if (type === SOURCE_REGISTERED) {
        const { name, source } = readRegistered(bytes.subarray(from + HEADER_BYTES, to))
        if (seedComponentOf(name) === process.component) replica.seedSources.add(source)
        return
      }
      if (type !== ACTIVATED && type !== PASSIVATED) return
      const role = readRoleEvent(type, bytes.subarray(from + HEADER_BYTES, to))
      if (role.component !== process.component) return
      const isThis = role.instance === process.instance && role.incarnation === this.#senderOf(process.node)
      const isNamed = isThis || (type === ACTIVATED && this.#mayAllSpeak.has(process.component))
      this.#setActive(replica, isNamed, nowUs)
    })
  }

  revoked(process: SimProcess, _fromSequence: number, nowUs: number): void {
    this.#beginAnew(process, nowUs)
  }

  #beginAnew({ node }: SimProcess, nowUs: number): void {
    const replica = this.#replicas.get(node)
    if (replica === undefined) return
    this.#setActive(replica, false, nowUs)
    replica.seedSources.clear()
  }

  sent(process: SimProcess, stream: SimStream, bytes: Uint8Array, nowUs: number): void {
    if (stream === 'command' && !this.#isSeed(process, bytes)) this.#require(process, nowUs, 'sends commands')
  }

  /** What a session begins with is sent by whoever is there. */
  #isSeed({ node, component }: SimProcess, packet: Uint8Array): boolean {
    const { source, count } = readCommandPacket(packet)
    if (source !== 0) return this.#replicas.get(node)?.seedSources.has(source) ?? false
    let isSeed = count > 0
    eachBlock(packet, COMMAND_BLOCKS_AT, count, (from, to) => {
      isSeed &&= seedComponentOf(readRequestedName(packet.subarray(from + HEADER_BYTES, to))) === component
    })
    return isSeed
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
