/**
 * What the wires of a simulated world do to datagrams: loss, repetition, reordering, delay, and cuts, each for one direction
 * between two machines.
 */
import type { Prng } from '../core/prng.js'
import type { Machine } from './machine.js'

export interface LinkFaults {
  /** Probabilities from 0 to 1. */
  readonly loss: number
  readonly duplicate: number
  readonly reorder: number
  /** Each datagram takes a time between these. */
  readonly delayMinUs: number
  readonly delayMaxUs: number
  /** One that is reordered takes up to this much longer, and others pass it. */
  readonly reorderMaxUs: number
}

/** A sound network in one room. */
export const QUIET_LINK: LinkFaults = {
  loss: 0,
  duplicate: 0,
  reorder: 0,
  delayMinUs: 20,
  delayMaxUs: 120,
  reorderMaxUs: 2_000,
}

export type SendKind = 'multicast' | 'unicast' | 'tcp'

/** Told of everything that leaves a machine, before any fault; the bytes are valid during the call. */
export type SendListener = (
  from: Machine,
  kind: SendKind,
  to: { readonly address: string; readonly port: number },
  bytes: Uint8Array,
) => void

/** One direction between two machines. */
export interface Link {
  faults: LinkFaults
  isCut: boolean
  /** What of the settings was last looked at. */
  version: number
}

/** Settings of one direction; a machine that is left out stands for all. */
export interface Direction {
  readonly from?: Machine
  readonly to?: Machine
}

interface Setting extends Direction {
  readonly faults: Partial<LinkFaults>
}

/** More machines than any world has. */
const MACHINES = 4_096
const LOOPBACK_MIN_US = 5
const LOOPBACK_MAX_US = 25

export class NetworkModel {
  readonly counters = {
    sent: 0,
    delivered: 0,
    lost: 0,
    cut: 0,
    duplicated: 0,
    reordered: 0,
    /** There was no room in the buffer of a process that is stopped. */
    overflowed: 0,
    /** Nobody listens there. */
    unheard: 0,
  }
  readonly #prng: Prng
  readonly #links = new Map<number, Link>()
  readonly #listeners: SendListener[] = []
  #settings: Setting[] = []
  #version = 0

  constructor(prng: Prng) {
    this.#prng = prng
  }

  /** What is set for a narrower direction wins: both machines, then one, then none. Replaces what was set for the same one. */
  setFaults(faults: Partial<LinkFaults>, direction: Direction = {}): void {
    const { from, to } = direction
    this.#settings = this.#settings.filter((setting) => setting.from !== from || setting.to !== to)
    this.#settings.push({ faults, ...direction })
    this.#settings.sort((a, b) => narrowness(a) - narrowness(b))
    this.#version += 1
  }

  /** A quiet network everywhere; cuts stay. */
  clearFaults(): void {
    this.#settings = []
    this.#version += 1
  }

  /** Nothing arrives any more that `from` sends to `to`; for both directions it is to be called twice. */
  cut(from: Machine, to: Machine): void {
    this.link(from, to).isCut = from !== to
  }

  heal(from: Machine, to: Machine): void {
    this.link(from, to).isCut = false
  }

  healAll(): void {
    for (const link of this.#links.values()) link.isCut = false
  }

  isCut(from: Machine, to: Machine): boolean {
    return this.link(from, to).isCut
  }

  onSend(listener: SendListener): void {
    this.#listeners.push(listener)
  }

  /** For the sockets: something leaves a machine. */
  told(from: Machine, kind: SendKind, to: { address: string; port: number }, bytes: Uint8Array): void {
    for (const listener of this.#listeners) listener(from, kind, to, bytes)
  }

  /** For the sockets: one direction, with the faults of now. */
  link(from: Machine, to: Machine): Link {
    const key = from.index * MACHINES + to.index
    let link = this.#links.get(key)
    if (link === undefined) {
      link = { faults: QUIET_LINK, isCut: false, version: -1 }
      this.#links.set(key, link)
    }
    if (link.version !== this.#version) {
      link.version = this.#version
      link.faults = this.#faultsOf(from, to)
    }
    return link
  }

  /** How long a datagram takes; what is sent on one machine is not on the wire. */
  delayUs(from: Machine, to: Machine, link: Link): number {
    if (from === to) return this.#prng.integer(LOOPBACK_MIN_US, LOOPBACK_MAX_US)
    return this.#prng.integer(link.faults.delayMinUs, link.faults.delayMaxUs)
  }

  chance(probability: number): boolean {
    return probability > 0 && this.#prng.chance(probability)
  }

  integer(low: number, high: number): number {
    return this.#prng.integer(low, high)
  }

  #faultsOf(from: Machine, to: Machine): LinkFaults {
    let faults = QUIET_LINK
    for (const setting of this.#settings) {
      const fits = (setting.from ?? from) === from && (setting.to ?? to) === to
      if (fits) faults = { ...faults, ...setting.faults }
    }
    return faults
  }
}

function narrowness({ from, to }: Direction): number {
  return (from === undefined ? 0 : 1) + (to === undefined ? 0 : 1)
}
