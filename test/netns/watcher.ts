/** What the watching host hears, for the test that started it. Tests wait on this, never on time. */
import { createInterface } from 'node:readline'
import type { ComponentStatus, SequencerHeartbeat, StoreStatus } from '../../src/wire/control.js'
import type { Running } from '../fixtures/processes.js'

/** Watch.ts prints so; a body's fields are those of the wire. */
type Line =
  | { readonly kind: 'ready' }
  | { readonly kind: 'violation'; readonly text: string }
  | { readonly kind: 'sequencer'; readonly from: string; readonly body: SequencerHeartbeat }
  | { readonly kind: 'store'; readonly from: string; readonly body: StoreStatus }
  | { readonly kind: 'component'; readonly from: string; readonly body: ComponentStatus }

export interface Reign {
  readonly epoch: number
  /** Where its sequencer is. */
  readonly address: string
  /** When it was heard that events of the epoch itself are stable; NaN before. */
  stableAtMs: number
  /** What is stable by its own words, and when that last grew. */
  stable: number
  grewAtMs: number
  next: number
  state: string
}

export class Watcher {
  isReady = false
  /** By address; what was said last. */
  readonly sequencers = new Map<string, SequencerHeartbeat>()
  readonly stores = new Map<string, StoreStatus>()
  /** By instance. */
  readonly components = new Map<string, ComponentStatus>()
  readonly reigns = new Map<number, Reign>()
  readonly violations: string[] = []

  constructor(running: Running) {
    const { stdout } = running.child
    if (stdout === null) throw new Error('the watcher prints nothing')
    createInterface({ input: stdout }).on('line', (line) => this.#hear(JSON.parse(line)))
  }

  /** The newest reign. */
  get reign(): Reign | undefined {
    return [...this.reigns.values()].reduce<Reign | undefined>(
      (newest, reign) => (reign.epoch > (newest?.epoch ?? 0) ? reign : newest),
      undefined,
    )
  }

  /** Forgets who said what, so that a wait sees only what is said from now on. What reigned is not forgotten. */
  forget(): void {
    for (const heard of [this.sequencers, this.stores, this.components]) heard.clear()
  }

  #hear(line: Line): void {
    switch (line.kind) {
      case 'ready':
        this.isReady = true
        break
      case 'violation':
        this.violations.push(line.text)
        break
      case 'sequencer':
        this.sequencers.set(line.from, line.body)
        this.#hearReign(line.from, line.body)
        break
      case 'store':
        this.stores.set(line.body.name, line.body)
        break
      case 'component':
        this.components.set(line.body.instance, line.body)
        break
    }
  }

  #hearReign(address: string, { epoch, epochTable, nextSequence, stableSequence, state }: SequencerHeartbeat): void {
    if (!['open', 'held', 'ending', 'ended'].includes(state)) return
    const nowMs = performance.now()
    const reign = this.reigns.get(epoch) ?? {
      ...{ epoch, address, stableAtMs: Number.NaN, stable: 0, grewAtMs: nowMs, next: 1, state },
    }
    this.reigns.set(epoch, reign)
    if (stableSequence > reign.stable) reign.grewAtMs = nowMs
    reign.stable = Math.max(reign.stable, stableSequence)
    reign.next = nextSequence
    reign.state = state
    const opening = epochTable.at(-1)?.sequence ?? Number.POSITIVE_INFINITY
    if (Number.isNaN(reign.stableAtMs) && stableSequence >= opening) reign.stableAtMs = nowMs
  }
}
