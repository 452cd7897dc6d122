/**
 * Where a simulated voter keeps its promise: one write after the other, each told when it is synced. A crash in the midst of a
 * write leaves the promise before it, or the new one.
 */
import type { StoredPromise } from '../protocol/voter.js'
import type { PromiseKeeper } from '../runtime/store-voter.js'
import { writeFailure } from '../store/store-error.js'
import type { PromiseRecord, SimDisk } from './disk.js'
import type { SimPlatform } from './machine.js'

interface Write {
  readonly promise: StoredPromise
  readonly done: (error?: Error) => void
}

export interface PromiseObserver {
  /** A promise is on the disk: the voter is told next, or finds it there when it starts. */
  promised?(epoch: number): void
}

export interface SimPromisesOptions {
  readonly disk: SimDisk
  readonly platform: SimPlatform
  readonly session: string
  readonly observer?: PromiseObserver
}

export class SimPromises implements PromiseKeeper {
  readonly #options: SimPromisesOptions
  readonly #record: PromiseRecord
  readonly #writes: Write[] = []
  #isWriting = false
  #failure: Error | undefined
  #idle: (() => void)[] = []
  #newestEpoch: number

  /** To be opened after the log: a log that is made anew forgets the promise. */
  static open(options: SimPromisesOptions): SimPromises {
    return new SimPromises(options)
  }

  private constructor(options: SimPromisesOptions) {
    this.#options = options
    this.#record = options.disk.promise(options.session.trim())
    this.#newestEpoch = this.#record.synced?.epoch ?? 0
    // One that reached the disk just as its process was killed is told of now.
    if (this.#record.synced !== undefined) options.observer?.promised?.(this.#newestEpoch)
  }

  get stored(): StoredPromise | undefined {
    return this.#record.synced
  }

  /** @throws Error where the promise would take back an earlier one: a programmer's error */
  write(promise: StoredPromise, done: (error?: Error) => void): void {
    if (promise.epoch < this.#newestEpoch) {
      throw new Error(`a promise of epoch ${promise.epoch} after one of ${this.#newestEpoch}`)
    }
    this.#newestEpoch = promise.epoch
    this.#writes.push({ promise, done })
    if (!this.#isWriting) this.#next()
  }

  close(): Promise<void> {
    if (!this.#isWriting) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #next(): void {
    const write = this.#writes.shift()
    this.#isWriting = write !== undefined
    if (write === undefined) {
      for (const resolve of this.#idle.splice(0)) resolve()
      return
    }
    const { disk, platform, session } = this.#options
    if (!platform.process.spend()) return
    if (disk.isFull && this.#failure === undefined) {
      this.#failure = writeFailure(new Error('ENOSPC: the simulated disk is full'), session, 0)
    }
    if (this.#failure === undefined) this.#record.written = write.promise
    disk.sync(platform.process, () => {
      if (this.#failure === undefined) {
        this.#record.synced = write.promise
        this.#record.written = undefined
        this.#options.observer?.promised?.(write.promise.epoch)
      }
      write.done(this.#failure)
      this.#next()
    })
  }
}
