/**
 * Loses, repeats and reorders datagrams by a seed, between a socket and a machine or between two machines in a test. It
 * draws the same count of numbers for each packet, so that one probability can be changed without moving the others' faults.
 */
import type { Prng } from '../core/prng.js'

export interface FaultOptions {
  /** Probabilities from 0 to 1. */
  readonly loss?: number
  readonly duplicate?: number
  readonly reorder?: number
  /** A reordered packet is held for a random time between these, or until some others have come. */
  readonly holdMinUs?: number
  readonly holdMaxUs?: number
  readonly holdMaxPackets?: number
  /** At most so many packets are held; further ones pass. */
  readonly capacity?: number
}

interface Held<Packet> {
  readonly packet: Packet
  readonly dueAtUs: number
  passesLeft: number
}

/** `Packet` is whatever travels: bytes, or bytes with their peer. */
export class FaultFilter<Packet = Uint8Array> {
  readonly counters = { passed: 0, lost: 0, duplicated: 0, reordered: 0 }
  readonly #options: Required<FaultOptions>
  readonly #prng: Prng
  readonly #held: Held<Packet>[] = []

  constructor(options: FaultOptions, prng: Prng) {
    this.#options = {
      loss: 0,
      duplicate: 0,
      reorder: 0,
      holdMinUs: 50,
      holdMaxUs: 2_000,
      holdMaxPackets: 5,
      capacity: 256,
      ...options,
    }
    const { loss, duplicate, reorder } = this.#options
    for (const probability of [loss, duplicate, reorder]) {
      if (!(probability >= 0 && probability <= 1)) throw new RangeError(`a probability of ${probability}`)
    }
    this.#prng = prng
  }

  /** Packets that are held back now. */
  get heldPackets(): number {
    return this.#held.length
  }

  /** A packet comes; handed over. It and others go out through `emit` now, later, twice or never. */
  push(packet: Packet, nowUs: number, emit: (packet: Packet) => void): void {
    const isLost = this.#prng.chance(this.#options.loss)
    const isDuplicated = this.#prng.chance(this.#options.duplicate)
    const isReordered = this.#prng.chance(this.#options.reorder)
    const holdUs = this.#prng.integer(this.#options.holdMinUs, this.#options.holdMaxUs)
    const passes = this.#prng.integer(1, this.#options.holdMaxPackets)
    if (isLost) {
      this.counters.lost++
      return
    }
    const isHeld = isReordered && this.#held.length < this.#options.capacity
    if (!isHeld) this.#pass(packet, emit)
    if (isDuplicated) {
      this.counters.duplicated++
      this.#pass(packet, emit)
    }
    this.#releasePassed(emit)
    if (!isHeld) return
    this.counters.reordered++
    this.#held.push({ packet, dueAtUs: nowUs + holdUs, passesLeft: passes })
  }

  /** Lets go what was held long enough. @returns the next deadline in microseconds; infinity where nothing is held */
  tick(nowUs: number, emit: (packet: Packet) => void): number {
    let deadlineUs = Number.POSITIVE_INFINITY
    for (let i = 0; i < this.#held.length; ) {
      const held = this.#held[i]!
      if (held.dueAtUs <= nowUs) {
        this.#held.splice(i, 1)
        this.#pass(held.packet, emit)
      } else {
        deadlineUs = Math.min(deadlineUs, held.dueAtUs)
        i++
      }
    }
    return deadlineUs
  }

  #releasePassed(emit: (packet: Packet) => void): void {
    for (let i = 0; i < this.#held.length; ) {
      const held = this.#held[i]!
      held.passesLeft--
      if (held.passesLeft <= 0) {
        this.#held.splice(i, 1)
        this.#pass(held.packet, emit)
      } else i++
    }
  }

  #pass(packet: Packet, emit: (packet: Packet) => void): void {
    this.counters.passed++
    emit(packet)
  }
}
