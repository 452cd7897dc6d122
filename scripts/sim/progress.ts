/** How far a batch of runs is: one line on a terminal that is written again, a line now and then elsewhere. */
const TERMINAL_EVERY_MS = 200
const PLAIN_EVERY_MS = 10_000

export class SimProgress {
  readonly #total: number | undefined
  readonly #startedMs = performance.now()
  readonly #isTerminal = process.stderr.isTTY === true
  #runs = 0
  #failures = 0
  #toldMs = performance.now()

  /** @param total how many runs there will be; undefined where time decides */
  constructor(total: number | undefined) {
    this.#total = total
  }

  onRun(hasFailed: boolean): void {
    this.#runs++
    if (hasFailed) this.#failures++
    const nowMs = performance.now()
    if (nowMs - this.#toldMs < (this.#isTerminal ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS)) return
    this.#toldMs = nowMs
    const rate = (this.#runs * 1000) / (nowMs - this.#startedMs)
    const of = this.#total === undefined ? '' : ` of ${this.#total}`
    const text = `sim: ${this.#runs}${of} runs, ${rate.toFixed(1)} a second, ${this.#failures} violations`
    process.stderr.write(this.#isTerminal ? `\r${text}\x1b[K` : `${text}\n`)
  }

  /** Before anything else is written. */
  clear(): void {
    if (this.#isTerminal) process.stderr.write('\r\x1b[K')
  }
}
