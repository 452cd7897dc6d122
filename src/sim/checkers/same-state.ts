/**
 * G6: equal states. Digests that replicas take after the same event are equal, and are those that the stream records; the stable
 * stream, played again from its first event to a fresh component, gives every one of them, and the state that the replicas
 * have at the end.
 */
import type { Carry } from '../../component/carry.js'
import type { Component } from '../../component/definition.js'
import { ComponentHost } from '../../component/host.js'
import type { SimObserver, SimProcess } from '../observer.js'
import { Violation } from '../violation.js'
import type { Chronicle, Reader } from './chronicle.js'
import { DIGEST_TAKEN, readDigestTaken } from './messages.js'
import { eachBlock, epochOf, readEvent } from './reading.js'
import { Branch, epochAt } from './tables.js'

interface Recorded {
  readonly component: string
  readonly sequence: number
  readonly digest: string
}

export class SameState implements SimObserver, Reader {
  readonly #chronicle: Chronicle
  /** By component, sequence and the event's epoch of birth. */
  readonly #taken = new Map<string, { readonly node: string; readonly digest: string }>()
  readonly #given = new Map<string, Branch>()
  readonly #recorded: Recorded[] = []

  constructor(chronicle: Chronicle) {
    this.#chronicle = chronicle
  }

  started(process: SimProcess): void {
    this.#given.set(process.node, new Branch())
  }

  began(process: SimProcess): void {
    this.#given.set(process.node, new Branch())
  }

  revoked(process: SimProcess): void {
    this.#given.set(process.node, new Branch())
  }

  delivered(process: SimProcess, sequence: number, count: number, bytes: Uint8Array, start: number): void {
    const given = this.#given.get(process.node)
    if (given === undefined) return
    let at = sequence
    eachBlock(bytes, start, count, (from) => {
      if (at === given.last + 1) given.push(epochOf(bytes, from))
      at++
    })
  }

  digest(process: SimProcess, sequence: number, digest: Uint8Array): void {
    const branch = this.#given.get(process.node)?.table ?? []
    // The whole branch up to there made the state, not its last event alone; but that one is on one branch only.
    const id = `${process.component}/${sequence}/${epochAt(branch, sequence)}`
    const known = this.#taken.get(id)
    const text = hex(digest)
    if (known === undefined) this.#taken.set(id, { node: process.node, digest: text })
    else if (known.digest !== text) {
      throw new Violation(
        'G6',
        `states differ: ${process.node} and ${known.node} have other digests of ${process.component} after event ${sequence}`,
      )
    }
  }

  stableEvent(_sequence: number, event: Uint8Array): void {
    const { type, payload } = readEvent(event)
    if (type !== DIGEST_TAKEN) return
    const { component, sequence, digest } = readDigestTaken(payload)
    this.#recorded.push({ component, sequence, digest: hex(digest) })
  }

  /**
   * Plays the stable stream again.
   * @param hosts that have handled all of it
   * @param carried by component: what a replay of the session before gives for this one
   * @returns the same for the next one, where this one has ended
   */
  finish(
    components: readonly { readonly name: string; readonly create: () => Component }[],
    hosts: readonly { readonly process: SimProcess; readonly host: ComponentHost }[],
    carried: ReadonlyMap<string, Carry>,
  ): Map<string, Carry> {
    const carries = new Map<string, Carry>()
    for (const { name, create } of components) {
      const { digests, host: replayed } = this.#replay(create(), carried.get(name))
      for (const { component, sequence, digest } of this.#recorded) {
        if (component === name && digests.get(sequence) !== digest) {
          throw new Violation(
            'G6',
            `a replay differs: ${name} after event ${sequence} has not the digest that is recorded`,
          )
        }
      }
      for (const { process, host } of hosts) {
        if (process.component === name && host.digest() !== replayed.digest()) {
          throw new Violation('G6', `a replay differs: ${process.node} ends in another state than the recording gives`)
        }
      }
      if (replayed.successor !== '') carries.set(name, replayed.carryOver())
    }
    return carries
  }

  /** With what was carried over known, the seed is compared with it, event for event. */
  #replay(
    component: Component,
    carry: Carry | undefined,
  ): { readonly digests: Map<number, string>; readonly host: ComponentHost } {
    const digests = new Map<number, string>()
    const host = new ComponentHost(
      component,
      {
        session: this.#chronicle.session,
        instance: 'replay',
        ...(carry === undefined ? {} : { carry }),
        incarnation: 1,
        mode: 'replay',
        guard: false,
        observer: { digestTaken: (sequence, digest) => digests.set(sequence, hex(digest)) },
      },
      {
        sendCommands: () => {
          throw new Violation('G8', `a replay sends: ${component.name}`)
        },
        stateChanged: () => {},
        failed: (error) => {
          throw new Violation('G6', `a replay differs: ${error.message}`)
        },
      },
    )
    const last = this.#chronicle.stableSequence
    for (let sequence = 1; sequence <= last; sequence++) {
      const event = this.#chronicle.stableEvent(sequence)
      if (event === undefined) throw new Error(`event ${sequence} is not known`)
      const block = blockOf(event)
      host.onRun(sequence, 1, block, 0, block.length, 0)
    }
    return { digests, host }
  }
}

function blockOf(event: Uint8Array): Uint8Array {
  const block = new Uint8Array(event.length + 2)
  block[0] = event.length >> 8
  block[1] = event.length & 0xff
  block.set(event, 2)
  return block
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
