/**
 * How many commands may be in flight. It doubles each round trip until something was lost, then grows slowly (as TCP Reno
 * does), so that a burst does not overrun the sequencer's socket buffer again and again.
 */

/** Also after many losses so much may be sent at once: a few packets. */
const MIN_WINDOW_COMMANDS = 64
/** A first burst that default socket buffers hold. */
const INITIAL_WINDOW_COMMANDS = 1_024
/** Slow growth for each round trip: so much, or this part of a wide window, which would else take seconds to be wide again. */
const GROWTH_COMMANDS = 64
const GROWTH_PART = 1 / 16

export class FlowWindow {
  readonly #max: number
  #window: number
  #threshold: number

  /** @param maxCommands never more than this; at least 1 */
  constructor(maxCommands: number) {
    if (!(maxCommands >= 1)) throw new Error(`flow window: ${maxCommands} commands`)
    this.#max = maxCommands
    this.#window = Math.min(maxCommands, INITIAL_WINDOW_COMMANDS)
    this.#threshold = maxCommands
  }

  get commands(): number {
    return Math.floor(this.#window)
  }

  /** So many commands came back as events. */
  grow(commands: number): void {
    if (this.#window >= this.#max) return
    const step = this.#window < this.#threshold ? 1 : Math.min(1, Math.max(GROWTH_PART, GROWTH_COMMANDS / this.#window))
    this.#window = Math.min(this.#max, this.#window + commands * step)
  }

  /** What was lost before says nothing about what comes: as at the beginning. */
  restart(): void {
    this.#window = Math.min(this.#max, INITIAL_WINDOW_COMMANDS)
    this.#threshold = this.#max
  }

  /** Something was lost, or the sequencer holds commands back, while `inFlight` commands were in flight. */
  shrink(inFlight: number): void {
    this.#threshold = Math.min(this.#max, Math.max(MIN_WINDOW_COMMANDS, inFlight / 2))
    this.#window = this.#threshold
  }
}
