/** A version that is played in a process of its own. One question at a time. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { SeqcastError } from '../../core/errors.js'
import type { LargeKeys } from '../../replay/compare/large-look.js'
import type { Moment, PlayEnd, PlayRequest, Side, SideDescription, Stretch } from '../../replay/compare/side.js'
import type { SideAnswer, SideOpening, SideQuestion } from './side-messages.js'

const PROGRAM = fileURLToPath(new URL('./side-child.js', import.meta.url))

export class ChildSide implements Side {
  readonly #name: string
  readonly #opening: SideOpening
  readonly #process: ChildProcess
  #onAnswer: ((answer: SideAnswer) => void) | undefined
  #onFailure: ((error: SeqcastError) => void) | undefined

  /** @param name OLD or NEW, for errors */
  constructor(name: string, opening: SideOpening) {
    this.#name = name
    this.#opening = opening
    // What a module prints belongs to nobody's stdout.
    this.#process = fork(PROGRAM, [], { serialization: 'advanced', stdio: ['ignore', 2, 2, 'ipc'] })
    this.#process.on('message', (answer: SideAnswer) => {
      if (answer.tell === 'failure') this.#onFailure?.(this.#failure(answer.message, answer))
      else this.#onAnswer?.(answer)
    })
    this.#process.once('exit', (code, signal) => {
      this.#onFailure?.(this.#failure(`its process ended with ${code ?? signal}`, { code: 'E_MODULE' }))
    })
  }

  async describe(): Promise<SideDescription> {
    return this.#ask({ ask: 'open', opening: this.#opening }, (answer) =>
      answer.tell === 'description' ? answer.description : undefined,
    )
  }

  async play(request: PlayRequest, onStretch: (stretch: Stretch) => boolean): Promise<PlayEnd> {
    return this.#ask({ ask: 'play', request }, (answer) => {
      if (answer.tell === 'end') return answer.end
      if (answer.tell === 'stretch' && !onStretch(answer.stretch)) this.#send({ ask: 'stop' })
      return undefined
    })
  }

  async moment(sequence: number, keys: LargeKeys): Promise<Moment> {
    return this.#ask({ ask: 'moment', sequence, keys }, (answer) =>
      answer.tell === 'moment' ? answer.moment : undefined,
    )
  }

  /** Ends the process. */
  stop(): void {
    this.#onFailure = undefined
    this.#process.kill('SIGKILL')
  }

  /** @param take picks the answer that ends it */
  #ask<T>(question: SideQuestion, take: (answer: SideAnswer) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#onFailure = reject
      this.#onAnswer = (answer) => {
        const taken = take(answer)
        if (taken !== undefined) resolve(taken)
      }
      this.#send(question)
    })
  }

  #send(question: SideQuestion): void {
    if (this.#process.connected) this.#process.send(question)
  }

  #failure(message: string, { code, hint }: { code: SeqcastError['code']; hint?: string | undefined }): SeqcastError {
    const fields = { version: this.#name, module: this.#opening.module }
    return new SeqcastError(code, `${this.#name}: ${message}`, { fields, ...(hint === undefined ? {} : { hint }) })
  }
}
