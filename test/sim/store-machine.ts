/** A machine with a disk, and logs on it. */
import type { Machine, SimPlatform } from '../../src/sim/machine.js'
import { SimEventLog, type SimEventLogOptions } from '../../src/sim/sim-event-log.js'
import { World } from '../../src/sim/world.js'

export type LogOptions = Omit<SimEventLogOptions, 'disk' | 'platform'>

export class StoreMachine {
  readonly world: World
  readonly machine: Machine
  #platform: SimPlatform

  constructor(seed = 1) {
    this.world = new World({ seed })
    this.machine = this.world.addMachine('store')
    this.#platform = this.machine.boot()
  }

  get platform(): SimPlatform {
    return this.#platform
  }

  /** To be waited for while the world runs. */
  open(options: LogOptions): Promise<SimEventLog> {
    return SimEventLog.open({ disk: this.machine.disk, platform: this.#platform, ...options })
  }

  /** A log for tests that wait in real time: the world goes on by itself until it is closed. */
  async openLive(options: LogOptions): Promise<SimEventLog> {
    let isOver = false
    const turn = async (): Promise<void> => {
      await this.world.run({ deadlineUs: this.world.nowUs + 10_000 })
      if (!isOver) setImmediate(turn)
    }
    setImmediate(turn)
    const log = await this.open(options)
    const close = log.close.bind(log)
    log.close = async () => {
      await close()
      isOver = true
    }
    return log
  }

  /** The process is over, and another one begins. */
  restart(how: 'exit' | 'kill'): void {
    if (how === 'exit') this.machine.exit()
    else this.machine.kill()
    this.#platform = this.machine.boot()
  }
}
