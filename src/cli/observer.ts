/**
 * A silent listener on the control stream, for tools: it hears everybody and is nobody.
 */
import { ControlLink } from '../runtime/control-link.js'
import { DutyCycle } from '../runtime/duty-cycle.js'
import type { RoleOptions } from '../runtime/options.js'
import { OthersHeard } from '../runtime/others-heard.js'
import { randomIncarnation, systemPlatform } from '../runtime/platform.js'
import type { ComponentStatus, ControlMessage, SequencerHeartbeat, StoreStatus } from '../wire/control.js'

const POLL_MS = 10

/** Everybody who was heard, newest statement each. */
export interface Heard {
  readonly sequencers: Map<number, SequencerHeartbeat>
  readonly stores: Map<string, StoreStatus>
  readonly components: Map<string, ComponentStatus>
}

export class Observer {
  /** With the session that is observed. */
  readonly options: RoleOptions
  readonly control: ControlLink
  readonly cycle: DutyCycle
  readonly others: OthersHeard
  readonly heard: Heard = { sequencers: new Map(), stores: new Map(), components: new Map() }
  /** Where each sequencer speaks from, by its sender. */
  readonly #addresses = new Map<number, string>()
  /** Who said what is in `heard.components`, and who is known to be dead. */
  readonly #senders = new Map<string, number>()
  readonly #dead = new Set<number>()

  private constructor(options: RoleOptions, control: ControlLink, cycle: DutyCycle) {
    this.options = options
    this.control = control
    this.cycle = cycle
    this.others = new OthersHeard(control)
    control.listen((message, address) => this.#note(message, address))
  }

  static async open(options: RoleOptions): Promise<Observer> {
    const cycle = new DutyCycle(systemPlatform(), 'block')
    cycle.start()
    const control = await ControlLink.open(options, randomIncarnation(), cycle, (error) =>
      options.logger.warn({ error: error.message }, 'control stream'),
    )
    return new Observer(options, control, cycle)
  }

  /**
   * Listens long enough to know who is there. Where the session has gone on in another one, that is observed: an id names the chain that
   * begins with it.
   */
  static async openNewest(options: RoleOptions, listenMs: number): Promise<Observer> {
    const seen = new Set<string>()
    let before = ''
    for (let session = options.session; ; ) {
      const observer = await Observer.open({ ...options, session })
      await new Promise((resolve) => setTimeout(resolve, listenMs))
      seen.add(session)
      if (before !== '' && !observer.hasHeard) {
        // Who goes on speaks: what was said of that session was not true.
        observer.close()
        session = before
        before = ''
        continue
      }
      const successor = [...observer.heard.stores.values()]
        .map((store) => store.successor ?? '')
        .find((id) => id !== '')
      if (successor === undefined || seen.has(successor)) return observer
      observer.close()
      before = session
      session = successor
    }
  }

  get hasHeard(): boolean {
    const { sequencers, stores, components } = this.heard
    return sequencers.size + stores.size + components.size > 0
  }

  /** Forgets a replica whose process has ended, with what of it is still on the way. @param name `component/instance` */
  bury(name: string): void {
    const sender = this.#senders.get(name)
    if (sender !== undefined) this.#dead.add(sender)
    this.heard.components.delete(name)
  }

  /** What a person calls a sequencer: ADDRESS:REQUESTPORT. */
  sequencerName(sender: number): string {
    return `${this.#addresses.get(sender) ?? ''}:${this.heard.sequencers.get(sender)?.requestPort ?? 0}`
  }

  /** Looks until there is something. @returns undefined where time is up first */
  async until<T>(timeoutMs: number, look: () => T | undefined): Promise<T | undefined> {
    const deadlineMs = performance.now() + timeoutMs
    for (;;) {
      const found = look()
      if (found !== undefined || performance.now() > deadlineMs) return found
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  close(): void {
    this.cycle.stop()
    this.control.close()
  }

  #note(message: ControlMessage, address: string): void {
    const { sequencers, stores } = this.heard
    if (message.kind === 'sequencer') {
      sequencers.set(message.sender, withCounters(message.body, sequencers.get(message.sender)))
      this.#addresses.set(message.sender, address)
    } else if (message.kind === 'store')
      stores.set(message.body.name, withCounters(message.body, stores.get(message.body.name)))
    else if (message.kind === 'component' && !this.#dead.has(message.sender)) {
      const name = `${message.body.component}/${message.body.instance}`
      this.heard.components.set(name, message.body)
      this.#senders.set(name, message.sender)
    }
  }
}

/** Frequent messages leave the counters out: the last ones that were told stay. */
function withCounters<T extends { readonly counters: Record<string, number> }>(body: T, earlier: T | undefined): T {
  if (Object.keys(body.counters).length > 0 || earlier === undefined) return body
  return { ...body, counters: earlier.counters, ...('active' in earlier ? { active: earlier.active } : {}) }
}
