/**
 * The states of a component, and the reason for each change.
 *
 * ```
 *           start                  caught up                activate
 *  stopped -------> rewinding --------------------> standby <----------> active
 *                       ^                                                  |
 *                       +------------ fell behind, or lost a branch <------+
 * ```
 *
 * `failed` is final: a component that failed at an event never goes past it.
 */
import type { Logger } from '../core/log.js'

export type ComponentState = 'stopped' | 'rewinding' | 'standby' | 'active' | 'failed'

const ALLOWED: Readonly<Record<ComponentState, readonly ComponentState[]>> = {
  rewinding: ['standby', 'active', 'stopped', 'failed'],
  standby: ['active', 'rewinding', 'stopped', 'failed'],
  active: ['standby', 'rewinding', 'stopped', 'failed'],
  stopped: [],
  failed: [],
}

export class Lifecycle {
  readonly #logger: Logger
  readonly #changed: (state: ComponentState, reason: string) => void
  #state: ComponentState = 'rewinding'
  #reason = 'started'

  constructor(logger: Logger, changed: (state: ComponentState, reason: string) => void) {
    this.#logger = logger
    this.#changed = changed
  }

  get state(): ComponentState {
    return this.#state
  }

  /** Why it is in this state, as a user reads it. */
  get reason(): string {
    return this.#reason
  }

  /** Stopped and failed components take nothing more. */
  get isOver(): boolean {
    return this.#state === 'stopped' || this.#state === 'failed'
  }

  /** The state stays, and what is said of it is true again. */
  restate(reason: string): void {
    this.#reason = reason
  }

  /** @throws Error where the states are not connected: a programmer's error */
  transition(next: ComponentState, reason: string): void {
    const previous = this.#state
    if (!ALLOWED[previous].includes(next)) throw new Error(`a ${previous} component cannot become ${next} (${reason})`)
    this.#state = next
    this.#reason = reason
    this.#logger.debug({ from: previous, to: next, reason }, 'component state')
    this.#changed(next, reason)
  }
}
