/**
 * The other process of a scenario. Two children of which one spins would disturb each other's measurement on two cores, so
 * the one that is not measured is stopped (SIGSTOP) meanwhile.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export class Child {
  readonly #process: ChildProcess

  private constructor(process: ChildProcess) {
    this.#process = process
  }

  /** Starts a script of this folder; resolves when it has sent its first message. */
  static async start(script: string, argument: object): Promise<Child> {
    const path = fileURLToPath(new URL(script, import.meta.url))
    const child = fork(path, [JSON.stringify(argument)], { env: { ...process.env, NODE_OPTIONS: '' } })
    process.once('exit', () => child.kill('SIGKILL'))
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve())
      child.once('exit', (code) => reject(new Error(`${script} ended with ${code}`)))
    })
    return new Child(child)
  }

  pause(): void {
    this.#process.kill('SIGSTOP')
  }

  resume(): void {
    this.#process.kill('SIGCONT')
  }

  /** The next message of the child. */
  message(): Promise<unknown> {
    return new Promise((resolve) => this.#process.once('message', resolve))
  }

  send(message: object): void {
    this.#process.send(message)
  }

  async stop(): Promise<void> {
    const gone = new Promise<void>((resolve) => this.#process.once('exit', () => resolve()))
    this.resume()
    this.#process.kill('SIGKILL')
    await gone
  }
}

/** The argument that the parent gave. The child ends with its parent, also where that was killed. */
export function childArgument<T>(): T {
  process.once('disconnect', () => process.exit(1))
  return JSON.parse(process.argv[2] ?? '{}')
}

export function tellParent(message: object): void {
  process.send?.(message)
}
