/** Child processes of the store's tests. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const RECORDER = fileURLToPath(new URL('./recorder.js', import.meta.url))

export interface Child {
  readonly process: ChildProcess
  /** Whole lines of standard output so far. */
  lines(): string[]
  /** Resolves when a line begins so, or the process is over. */
  sees(beginning: string): Promise<string | undefined>
  readonly over: Promise<number | null>
}

export function startRecorder(args: readonly string[], wrapper: readonly string[] = []): Child {
  const [command = process.execPath, ...rest] = [...wrapper, process.execPath, RECORDER, ...args]
  return startChild(command, rest)
}

export function startChild(command: string, args: readonly string[]): Child {
  // tap's loaders come with NODE_OPTIONS, and a traced child must do its own work only.
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'], env })
  let text = ''
  const wake: (() => void)[] = []
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    for (const resolve of wake.splice(0)) resolve()
  })
  const lines = (): string[] => text.split('\n').slice(0, -1)
  const over = once(child, 'close').then(() => child.exitCode)
  return {
    process: child,
    lines,
    over,
    async sees(beginning) {
      let running = true
      void over.then(() => {
        running = false
      })
      for (;;) {
        const found = lines().find((line) => line.startsWith(beginning))
        if (found !== undefined || !running) return found
        await Promise.race([new Promise<void>((resolve) => wake.push(resolve)), over])
      }
    },
  }
}

/** The last number that was printed after `word`. */
export function lastNumber(child: Child, word: string): number {
  const line = child.lines().findLast((candidate) => candidate.startsWith(`${word} `))
  return line === undefined ? 0 : Number(line.split(' ')[1])
}
