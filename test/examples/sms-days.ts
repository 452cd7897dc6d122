/**
 * The shipment system over several sessions in one process, between the components a sequencer that only does what the guarantees
 * say: it takes one command at a time, from a source that is drawn at random, each source's in order. A session ends after any
 * command; the next one begins with the static events and the seeds, and then takes what was issued and not sequenced. So a run is one
 * of all the interleavings that a network could make, and its seed names it.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { type Component, Prng } from 'seqcast'
import { schema } from '../../src/examples/sms/generated/sms.js'
import type { Routes } from '../../src/examples/sms/network.js'
import { component as router } from '../../src/examples/sms/router.js'
import { createScanner } from '../../src/examples/sms/scanner.js'
import type { Scan } from '../../src/examples/sms/scans.js'
import { type AuditReport, ShipmentAudit } from '../../src/examples/sms/shipment-audit.js'
import { component as shipments } from '../../src/examples/sms/shipments.js'

interface Command {
  readonly type: number
  readonly bytes: Uint8Array
}

/** One component in one session: it has nothing of the sessions before but what their seeds say. */
interface Replica {
  readonly component: Component
  readonly state: unknown
  readonly commands: Command[]
}

export interface DaysOptions {
  /** The file that the scanner reads, and what is in it. */
  readonly input: string
  readonly scans: readonly Scan[]
  readonly routes: Routes
  readonly seed: number
  /** All sessions but the last end after so many commands each; the last one when nothing is left to do. */
  readonly ends: readonly number[]
}

export class Days {
  readonly #options: DaysOptions
  readonly #random: Prng
  readonly #audit: ShipmentAudit
  readonly #components: readonly Component[]
  #replicas: Replica[] = []
  #sources: Command[][] = []
  #input = new AbortController()
  #timeUs = 0
  #sequence = 0
  #failure: unknown

  constructor(options: DaysOptions) {
    this.#options = options
    this.#random = new Prng(options.seed)
    this.#audit = new ShipmentAudit(options.scans, options.routes)
    this.#components = [createScanner({ input: options.input }), shipments, router]
  }

  async run(): Promise<AuditReport> {
    this.#begin(1, [], [])
    for (const [i, commands] of this.#options.ends.entries()) {
      await this.#steps(commands)
      this.#roll(i + 2)
    }
    await this.#steps(Number.POSITIVE_INFINITY)
    return this.#audit.report(true)
  }

  /** Sequences so many commands, or all that come. */
  async #steps(count: number): Promise<void> {
    let left = count
    while (
      left > 0 &&
      (this.#audit.lastKey < this.#options.scans.length || this.#sources.some((one) => one.length > 0))
    ) {
      await turn()
      if (this.#failure !== undefined) throw this.#failure
      for (let slice = this.#random.integer(1, 200); slice > 0 && left > 0 && this.#step(); slice--) left--
    }
  }

  #step(): boolean {
    const waiting = this.#sources.filter((commands) => commands.length > 0)
    const command = waiting[this.#random.integer(0, waiting.length - 1)]?.shift()
    if (command === undefined) return false
    this.#sequenced(command)
    return true
  }

  #roll(day: number): void {
    this.#input.abort()
    const [outside = [], ...rest] = this.#sources
    const seeds = this.#replicas.map(({ component, state }) => {
      const seed: Command[] = []
      const send = (name: string, payload: unknown): void => {
        seed.push(commandOf(name, payload))
      }
      component.seed?.(state, {
        send,
        session: `DAY${day}`,
        timeUs: this.#timeUs,
        predecessor: `DAY${day - 1}`,
        timers: () => [],
      })
      return seed
    })
    this.#begin(day, seeds, [outside, ...rest])
  }

  /** @param before what each source had issued and not sequenced in the session before, outside commands first */
  #begin(day: number, seeds: Command[][], before: Command[][]): void {
    this.#audit.begin(`DAY${day}`)
    this.#sequence = 0
    this.#replicas = this.#components.map((component) => ({ component, state: component.state(), commands: [] }))
    for (const [from, ways] of this.#options.routes) {
      this.#sequenced(commandOf('FacilityAdded', { code: from, city: '' }))
      for (const [to, minutes] of ways) this.#sequenced(commandOf('RouteAdded', { from, to, minutes }))
    }
    this.#sources = seeds
    while (this.#step());
    this.#audit.opened()
    const issued = this.#replicas.map(({ commands }) => commands)
    this.#sources = [...before.slice(1), ...issued]
    this.#startInput(before[0] ?? [])
  }

  /** What was not sequenced comes first, and then the input as it goes on. */
  #startInput(outside: Command[]): void {
    this.#input = new AbortController()
    const { signal } = this.#input
    const commands = [...outside]
    this.#sources.unshift(commands)
    while (outside.length > 0 && commands.length > 0) this.#sequenced(commands.shift() ?? never())
    const scanner = this.#replicas[0] ?? never()
    const send = (name: string, payload: unknown): void => {
      if (signal.aborted) throw new Error('sent while passive')
      commands.push(commandOf(name, payload))
    }
    const ready = async (): Promise<void> => {
      while (commands.length > 50 && !signal.aborted) await turn()
    }
    scanner.component.input?.({ send, ready, signal }, scanner.state).catch((error) => {
      this.#failure = error
    })
  }

  #sequenced({ type, bytes }: Command): void {
    const name = schema.nameOf(type) ?? never()
    const payload = schema.decode(type, bytes, 0, bytes.length)
    const event = { sequence: ++this.#sequence, timeUs: ++this.#timeUs, source: 1, name, payload }
    const { sequence, timeUs } = event
    this.#audit.onEvent(name, payload)
    for (const { component, state, commands } of this.#replicas) {
      const send = (sent: string, body: unknown): void => {
        commands.push(commandOf(sent, body))
      }
      component.handlers[type]?.(state, event, { ...noTimers, sequence, timeUs, send })
    }
  }
}

const noTimers = { startTimer: () => {}, cancelTimer: () => false, random: never }

function never(): never {
  throw new Error('this does not happen')
}

function commandOf(name: string, payload: unknown): Command {
  const untyped: { encode(name: string, payload: unknown): Uint8Array } = schema
  return { type: schema.typeOf(name) ?? never(), bytes: untyped.encode(name, payload).slice() }
}
