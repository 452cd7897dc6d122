/**
 * The source of the workload that is no component: a sender as `seqcast send` is one. Each process that it runs in is a life, whose
 * commands are numbered from 1. A life that is killed may leave what it did not get sequenced; what a life was told to be
 * stable is stable, whatever becomes of it.
 */
import type { SendClient } from '../runtime/send-client.js'
import type { SimObserver } from './observer.js'
import type { SimTime } from './parts.js'
import { Violation } from './violation.js'
import type { WorkloadModel } from './workload-model.js'
import { FED, workloadSchema } from './workload-schema.js'

interface Life {
  readonly number: number
  handed: number
}

export interface OutsideSourceOptions {
  readonly untilUs: number
  /** A command after so long, on average. */
  readonly everyUs: number
}

export class OutsideSource implements SimObserver {
  readonly name: string
  readonly #model: WorkloadModel
  readonly #options: OutsideSourceOptions
  readonly #random: () => number
  #lives = 0
  #life: Life | undefined
  #client: Pick<SendClient, 'pending'> | undefined

  /** @param random fractions in [0, 1) */
  constructor(name: string, model: WorkloadModel, random: () => number, options: OutsideSourceOptions) {
    this.name = name
    this.#model = model
    this.#random = random
    this.#options = options
  }

  /** What is still missing of what the present life has asked for. */
  get missing(): number {
    return this.#life === undefined ? 0 : this.#life.handed - this.#model.fed(this.#life.number)
  }

  /** Sends for as long as there is work; for one process. */
  async run(client: Pick<SendClient, 'pending' | 'isFull' | 'send'>, time: SimTime): Promise<void> {
    this.#lives++
    const life: Life = { number: this.#lives, handed: 0 }
    this.#life = life
    this.#client = client
    while (time.nowUs() < this.#options.untilUs) {
      if (!client.isFull) {
        life.handed++
        client.send(FED, workloadSchema.encode('Fed', { life: life.number, key: life.handed }))
      }
      if (this.#random() < 0.8) await time.sleep(1 + Math.floor(this.#random() * 2 * this.#options.everyUs))
    }
  }

  stopped({ node }: { readonly node: string }): void {
    if (node !== this.name) return
    this.#life = undefined
    this.#client = undefined
  }

  /** Whenever anything is sent. */
  sent(): void {
    this.check()
  }

  /** What it was told to be stable, so that it has let go of it, is stable. */
  check(): void {
    if (this.#life === undefined || this.#client === undefined) return
    const { number, handed } = this.#life
    const told = handed - this.#client.pending
    const stable = this.#model.fed(number)
    if (told > stable) {
      throw new Violation(
        'G4',
        `let go before it was stable: ${this.name} holds the last ${handed - told} of ${handed} commands, and ${stable} are stable`,
      )
    }
  }
}
