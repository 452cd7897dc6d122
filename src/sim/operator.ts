/** The operator of a simulated system: asks the sequencer for what a person would, from a machine of its own. */
import { ControlLink } from '../runtime/control-link.js'
import { DutyCycle } from '../runtime/duty-cycle.js'
import type { RoleOptions } from '../runtime/options.js'
import type { Platform } from '../runtime/platform.js'
import type { AdminRequest } from '../wire/control.js'
import type { Machine } from './machine.js'

/** A request is repeated under the same nonce, as the command line does. */
const REPEATS = 3
const REPEAT_EVERY_MS = 200

export class Operator {
  readonly #machine: Machine
  readonly #options: (platform: Platform, address: string) => RoleOptions
  #platform: Platform | undefined
  #control: ControlLink | undefined

  constructor(machine: Machine, options: (platform: Platform, address: string) => RoleOptions) {
    this.#machine = machine
    this.#options = options
  }

  start(): void {
    const platform = this.#machine.boot()
    this.#platform = platform
    const cycle = new DutyCycle(platform, 'block')
    cycle.start()
    const options = this.#options(platform, this.#machine.address)
    void ControlLink.open(options, platform.random(), cycle, () => {}).then((control) => {
      this.#control = control
    })
  }

  /** Whether it is granted shows in the stream. */
  activate(session: string, component: string, instance: string): void {
    this.#ask(session, { action: 'activate', component, instance })
  }

  /** Has a session go on in another one. Whether it does shows in the stream. */
  roll(session: string, successor: string): void {
    this.#ask(session, { action: 'roll-session', component: '', instance: successor })
  }

  #ask(session: string, what: Pick<AdminRequest, 'action' | 'component' | 'instance'>): void {
    const platform = this.#platform
    if (platform === undefined || this.#control === undefined) return
    const nonce = platform.random()
    const request = { ...what, nonce, incarnation: 0, expectedTerm: 0, reason: 'decided by an operator' }
    let left = REPEATS
    const send = (): void => {
      this.#control?.sendFor(session, 'adminRequest', request)
      if (--left > 0) platform.timers.after(REPEAT_EVERY_MS, send)
    }
    send()
  }
}
