/** Other processes of a bench: a script of this folder with its argument, or `seqcast` itself with a command. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { SeqcastError } from '../../core/errors.js'

const PROGRAM = fileURLToPath(new URL('../seqcast.js', import.meta.url))
/** Of a log that is kept to be shown. */
const LOG_CHARACTERS = 100_000
/** A role that was asked to end has its own, shorter bounds. */
const END_WITHIN_MS = 20_000

export class BenchChild {
  readonly #process: ChildProcess
  readonly #name: string
  #log = ''

  private constructor(name: string, process: ChildProcess) {
    this.#name = name
    this.#process = process
    process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log = (this.#log + text).slice(-LOG_CHARACTERS)
    })
  }

  /** Starts a script of this folder. @returns it, and the first message that it sends */
  static async script(
    name: string,
    argument: object,
  ): Promise<{ child: BenchChild; message: Record<string, unknown> }> {
    const path = fileURLToPath(new URL(name, import.meta.url))
    const process = fork(path, [JSON.stringify(argument)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const child = new BenchChild(name, process)
    return { child, message: await child.#message() }
  }

  /** Starts a role as a user would, and resolves when its log has said `ready`. */
  static async role(args: readonly string[], ready: string): Promise<BenchChild> {
    const process = fork(PROGRAM, [...args], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    const child = new BenchChild(`seqcast ${args[0]}`, process)
    await new Promise<void>((resolve, reject) => {
      process.stderr?.on('data', () => {
        if (child.#log.includes(ready)) resolve()
      })
      process.once('exit', () => reject(child.failure()))
    })
    return child
  }

  get isOver(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  /** Why the bench can't go on, where this one has ended and should not have. */
  failure(): SeqcastError {
    const code = this.#process.exitCode ?? this.#process.signalCode
    return new SeqcastError('E_BENCH', `${this.#name} ended with ${code} before the bench was over`, {
      hint: this.#log.slice(-1_000) || 'its errors stand above',
      fields: { name: this.#name, code },
    })
  }

  /** Of a script: asks it something that it answers with one message. One question at a time. */
  ask(question: object): Promise<Record<string, unknown>> {
    const answer = this.#message()
    this.#process.send(question)
    return answer
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** Takes the processor away from it, so that it does not disturb what is measured without it. */
  pause(): void {
    this.signal('SIGSTOP')
  }

  resume(): void {
    this.signal('SIGCONT')
  }

  /** Resolves when it is gone. */
  async gone(): Promise<void> {
    if (this.isOver) return
    await new Promise<void>((resolve) => this.#process.once('exit', () => resolve()))
  }

  async stop(): Promise<void> {
    if (this.isOver) return
    const gone = this.gone()
    this.resume()
    this.signal('SIGKILL')
    await gone
  }

  /** Has a role stop in order. @throws SeqcastError E_BENCH where it does not */
  async end(): Promise<void> {
    const late = setTimeout(() => this.signal('SIGKILL'), END_WITHIN_MS)
    this.signal('SIGTERM')
    await this.gone()
    clearTimeout(late)
    if (this.#process.exitCode !== 0) throw this.failure()
  }

  #message(): Promise<Record<string, unknown>> {
    return new Promise((resolve, reject) => {
      const onExit = (): void => reject(this.failure())
      this.#process.once('exit', onExit)
      this.#process.once('message', (message: unknown) => {
        this.#process.removeListener('exit', onExit)
        resolve(isRecord(message) ? message : {})
      })
    })
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

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
