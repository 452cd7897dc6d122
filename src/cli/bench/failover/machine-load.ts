/** How busy the machine's cores are between two looks. */
import { cpus } from 'node:os'

export class MachineLoad {
  #idleMs = 0
  #totalMs = 0

  constructor() {
    this.busyPercent()
  }

  get cores(): number {
    return cpus().length
  }

  /** Since the last call, over all cores. */
  busyPercent(): number {
    let idleMs = 0
    let totalMs = 0
    for (const { times } of cpus()) {
      idleMs += times.idle
      totalMs += times.idle + times.user + times.nice + times.sys + times.irq
    }
    const busy = 1 - (idleMs - this.#idleMs) / Math.max(1, totalMs - this.#totalMs)
    this.#idleMs = idleMs
    this.#totalMs = totalMs
    return busy * 100
  }
}
