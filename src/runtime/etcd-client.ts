/**
 * Calls to an etcd over `fetch`: of several endpoints the one that answered last, and when it does not, the next ones. An endpoint
 * has some time to answer, more where the answers are slow; what it answers is read up to a bound, and checked.
 */
import { messageOf } from '../core/errors.js'
import type { Timers } from '../core/timers.js'
import type { EtcdFailure } from '../protocol/election.js'
import { decodeEtcdAnswer, decodeEtcdError, type EtcdAnswer, type EtcdCall, encodeEtcdCall } from '../wire/etcd.js'

const MIN_TIMEOUT_MS = 400
const MAX_TIMEOUT_MS = 4_000
/** Who is told to end does not wait for an etcd. */
const CLOSING_TIMEOUT_MS = 300
const MAX_ANSWER_BYTES = 65_536

export interface EtcdOptions {
  /** Of its members, as `http://HOST:PORT`. */
  readonly endpoints: readonly string[]
  /** Of the keys, `seqcast` unless told: systems that share an etcd and name their sessions alike need their own. */
  readonly prefix?: string
}

export type EtcdOutcome =
  | { readonly answer: EtcdAnswer }
  | { readonly failure: EtcdFailure & { readonly isGarbage: boolean } }

type Attempt = EtcdOutcome | { readonly unreachable: string; readonly isGarbage: boolean }

export class EtcdClient {
  readonly #endpoints: readonly string[]
  readonly #timers: Timers
  readonly #nowUs: () => number
  #current = 0
  #timeoutMs = MIN_TIMEOUT_MS
  #isClosing = false

  constructor(endpoints: readonly string[], timers: Timers, nowUs: () => number) {
    if (endpoints.length === 0) throw new Error('an etcd has at least one endpoint')
    this.#endpoints = endpoints.map((endpoint) => endpoint.replace(/\/+$/, ''))
    this.#timers = timers
    this.#nowUs = nowUs
  }

  /** From now on a call is tried once, and not for long. */
  close(): void {
    this.#isClosing = true
  }

  /** Never rejects. */
  async call(call: EtcdCall): Promise<EtcdOutcome> {
    const reasons: string[] = []
    let isGarbage = false
    for (let tried = 0; tried < this.#endpoints.length && (tried === 0 || !this.#isClosing); tried++) {
      const endpoint = this.#endpoints[this.#current] ?? ''
      const startUs = this.#nowUs()
      const attempt = await this.#try(endpoint, call)
      if (!('unreachable' in attempt)) {
        this.#setTimeout((2 * (this.#nowUs() - startUs)) / 1000)
        return attempt
      }
      reasons.push(`${endpoint}: ${attempt.unreachable}`)
      isGarbage ||= attempt.isGarbage
      this.#current = (this.#current + 1) % this.#endpoints.length
    }
    this.#setTimeout(2 * this.#timeoutMs)
    return { failure: { reason: reasons.join('; '), isNotFound: false, isGarbage } }
  }

  #setTimeout(timeoutMs: number): void {
    this.#timeoutMs = Math.min(MAX_TIMEOUT_MS, Math.max(MIN_TIMEOUT_MS, timeoutMs))
  }

  async #try(endpoint: string, call: EtcdCall): Promise<Attempt> {
    const { path, body } = encodeEtcdCall(call)
    const abort = new AbortController()
    const timeoutMs = this.#isClosing ? CLOSING_TIMEOUT_MS : this.#timeoutMs
    const timer = this.#timers.after(timeoutMs, () => abort.abort())
    try {
      const headers = { 'content-type': 'application/json' }
      const request = { method: 'POST', headers, body, redirect: 'error', signal: abort.signal } as const
      const response = await fetch(endpoint + path, request)
      return read(call, response.status, await textOf(response))
    } catch (error) {
      const text = abort.signal.aborted ? `no answer within ${timeoutMs} ms` : causeOf(error)
      return { unreachable: text, isGarbage: false }
    } finally {
      timer.cancel()
    }
  }
}

function read(call: EtcdCall, status: number, text: string | undefined): Attempt {
  const garbage = { unreachable: `its answer (status ${status}) is not an etcd's`, isGarbage: true }
  let json: unknown
  try {
    json = JSON.parse(text ?? '')
  } catch {
    return garbage
  }
  if (status === 200) {
    const answer = decodeEtcdAnswer(call, json)
    return answer === undefined ? garbage : { answer }
  }
  const error = decodeEtcdError(json)
  if (error === undefined) return garbage
  if (error.isNotFound) return { failure: { reason: error.text, isNotFound: true, isGarbage: false } }
  return { unreachable: error.text, isGarbage: false }
}

/** @returns undefined where there is more than any answer has */
async function textOf(response: Response): Promise<string | undefined> {
  if (response.body === null) return ''
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body) {
    chunks.push(chunk)
    bytes += chunk.byteLength
    // Leaving the loop ends the connection.
    if (bytes > MAX_ANSWER_BYTES) return undefined
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Of a failed fetch the message says nothing; what it was is its cause. */
function causeOf(error: unknown): string {
  return error instanceof Error && error.cause instanceof Error ? messageOf(error.cause) : messageOf(error)
}
