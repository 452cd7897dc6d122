/**
 * How a role ends: one promise, settled once, by whoever is first. A failure that nobody awaits yet must not count as
 * unhandled, because the caller may still be starting other things.
 */
export class Outcome {
  readonly promise: Promise<void>
  readonly #resolve: () => void
  readonly #reject: (error: Error) => void

  constructor() {
    let resolve: () => void = () => {}
    let reject: (error: Error) => void = () => {}
    this.promise = new Promise<void>((yes, no) => {
      resolve = yes
      reject = no
    })
    this.#resolve = resolve
    this.#reject = reject
    this.promise.catch((error: unknown) => error)
  }

  stopped(): void {
    this.#resolve()
  }

  failed(error: Error): void {
    this.#reject(error)
  }
}
