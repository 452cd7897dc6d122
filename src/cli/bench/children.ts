/** Other processes of a bench: a script of this folder with its argument, or `seqcast` itself with a command. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { SeqcastError } from '../../core/errors.js'

const PROGRAM = fileURLToPath(new URL('../seqcast.js', import.meta.url))

export class BenchChild {
  readonly #process: ChildProcess

  private constructor(process: ChildProcess) {
    this.#process = process
  }

  /** Starts a script of this folder. @returns it, and the first message that it sends */
  static async script(
    name: string,
    argument: object,
  ): Promise<{ child: BenchChild; message: Record<string, unknown> }> {
    const path = fileURLToPath(new URL(name, import.meta.url))
    const child = fork(path, [JSON.stringify(argument)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const message = await new Promise<unknown>((resolve, reject) => {
      child.once('message', resolve)
      child.once('exit', (code) => reject(childFailed(name, code)))
    })
    return { child: new BenchChild(child), message: isRecord(message) ? message : {} }
  }

  /** Starts a role as a user would, and resolves when its log has said `ready`. */
  static async role(args: readonly string[], ready: string): Promise<BenchChild> {
    const child = fork(PROGRAM, [...args], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    let log = ''
    await new Promise<void>((resolve, reject) => {
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        if (log.length > 100_000) return
        log += text
        if (log.includes(ready)) resolve()
      })
      child.once('exit', (code) => reject(childFailed(`seqcast ${args[0]}`, code, log)))
    })
    return new BenchChild(child)
  }

  /** Takes the processor away from it, so that it does not disturb what is measured without it. */
  pause(): void {
    this.#process.kill('SIGSTOP')
  }

  resume(): void {
    this.#process.kill('SIGCONT')
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const gone = new Promise<void>((resolve) => this.#process.once('exit', () => resolve()))
    this.resume()
    this.#process.kill('SIGKILL')
    await gone
  }
}

/** In a child: what the parent gave. */
export function childArgument<T>(): T {
  return JSON.parse(process.argv[2] ?? '{}')
}

/** In a child: ends with the parent. */
export function tellParent(message: object): void {
  process.once('disconnect', () => process.exit())
  process.send?.(message)
}

function childFailed(name: string, code: number | null, log = ''): SeqcastError {
  return new SeqcastError('E_BENCH', `${name} ended with ${code} before the bench began`, {
    hint: log.slice(-1_000) || 'its errors stand above',
    fields: { name, code },
  })
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
