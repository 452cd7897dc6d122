/**
 * Watches the demo's own streams, as any listener could: counts what the events say, and who is in which state.
 */

import { SeqcastError } from '../../core/errors.js'
import { schema } from '../../examples/oms/generated/oms.js'
import { OmsAudit } from '../../examples/oms/oms-report.js'
import { EventLink } from '../../runtime/event-link.js'
import type { RoleOptions } from '../../runtime/options.js'
import { readU16 } from '../../wire/bytes.js'
import type { ComponentStatus } from '../../wire/control.js'
import { EVENT_HEADER_BYTES, eventFlags, eventTimeUs, eventType, WHOLE_MESSAGE } from '../../wire/event.js'
import { LatencyHistogram } from '../latency.js'
import { Observer } from '../observer.js'

const POLL_MS = 20

export class DemoWatch {
  readonly observer: Observer
  orderToExecution = new LatencyHistogram()
  audit = this.#createAudit()
  events = 0
  /** Those that show that the system goes on: ticks come from an idle one too. */
  #applicationEvents = 0
  firstOrderUs = 0
  lastUs = 0
  #events: EventLink | undefined
  #failure: Error | undefined
  /** Why it is to be read again from the beginning, where that was learnt while the stream was being opened. */
  #revoked = ''

  private constructor(observer: Observer) {
    this.observer = observer
  }

  static async open(options: RoleOptions): Promise<DemoWatch> {
    return new DemoWatch(await Observer.open(options))
  }

  #createAudit(): OmsAudit {
    return new OmsAudit((latencyUs) => this.orderToExecution.record(latencyUs))
  }

  /** Reads the event stream from its beginning; to be called when the stores are there. */
  async follow(options: RoleOptions): Promise<void> {
    this.#events = await EventLink.open(
      { ...options, nextSequence: 1, startRewinding: true, askSequencer: false, seed: 1 },
      this.observer.cycle,
      this.observer.control,
      {
        deliver: (sequence, count, bytes, start) => this.#deliver(sequence, count, bytes, start),
        stateChanged: () => {},
        lost: (from, to, reason) => this.fail(new SeqcastError('E_LOST', `events ${from} to ${to}: ${reason}`)),
        revoked: (_next, reason) => this.#onRevoked(reason),
      },
      (error) => this.fail(error),
    )
    if (this.#revoked !== '') this.#events.reopen(1, true, this.#revoked)
  }

  /** What was counted is partly void: it is counted anew, on the branch that lives. */
  #onRevoked(reason: string): void {
    this.orderToExecution = new LatencyHistogram()
    this.audit = this.#createAudit()
    this.events = 0
    this.firstOrderUs = 0
    this.lastUs = 0
    if (this.#events === undefined) this.#revoked = reason
    else this.#events.reopen(1, true, reason)
  }

  /** Makes every wait fail. */
  fail(error: Error): void {
    this.#failure ??= error
  }

  /** Waits until a condition holds. @throws SeqcastError E_TIMEOUT naming what was waited for, or the failure of the watch */
  async until(what: string, timeoutMs: number, holds: () => boolean, onPoll: () => void = () => {}): Promise<void> {
    let deadlineMs = performance.now() + timeoutMs
    let progress = this.#applicationEvents
    while (!holds()) {
      if (this.#failure !== undefined) throw this.#failure
      onPoll()
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
      if (this.#applicationEvents !== progress) {
        progress = this.#applicationEvents
        deadlineMs = Math.max(deadlineMs, performance.now() + timeoutMs)
      }
      if (performance.now() < deadlineMs) continue
      throw new SeqcastError('E_TIMEOUT', `waited ${timeoutMs / 1000} s for ${what}`, {
        hint: 'see the logs of the processes',
      })
    }
  }

  replica(component: string, instance: string): ComponentStatus | undefined {
    return this.observer.heard.components.get(`${component}/${instance}`)
  }

  replicas(component: string): ComponentStatus[] {
    return [...this.observer.heard.components.values()].filter((status) => status.component === component)
  }

  get counters(): Readonly<Record<string, number>> {
    return this.#events?.receiver.counters ?? {}
  }

  close(): void {
    this.#events?.close()
    this.observer.close()
  }

  #deliver(_sequence: number, count: number, bytes: Uint8Array, start: number): void {
    this.events += count
    let at = start
    for (let i = 0; i < count; i++) {
      const end = at + 2 + readU16(bytes, at)
      this.#onEvent(bytes, at + 2, end)
      at = end
    }
  }

  #onEvent(bytes: Uint8Array, at: number, end: number): void {
    const type = eventType(bytes, at)
    const name = schema.nameOf(type)
    if (name === undefined || eventFlags(bytes, at) !== WHOLE_MESSAGE) return
    this.#applicationEvents += 1
    const timeUs = eventTimeUs(bytes, at)
    if (this.firstOrderUs === 0 && name === 'OrderPending') this.firstOrderUs = timeUs
    if (!this.audit.isDone) this.lastUs = timeUs
    this.audit.onEvent(name, schema.decode(type, bytes, at + EVENT_HEADER_BYTES, end), timeUs)
  }
}
