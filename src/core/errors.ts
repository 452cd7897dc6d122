/**
 * Errors that a user can meet: each says what happened, to what, and what to do, and has a code that documentation and
 * tests can name. Errors of the programmer are plain `Error`s and are thrown at once.
 */

/** Exit status of a program: 1 failed, 2 wrong usage (bad flags, bad configuration). */
export type ExitStatus = 1 | 2

/** Every code, with the exit status that it gives. One list, so that the table in docs/OPERATING.md can be checked. */
export const ERROR_CODES = {
  E_USAGE: 2,
  E_CONFIG: 2,
  E_INTERFACE: 2,
  E_GROUP: 2,
  E_PORT_IN_USE: 1,
  E_SEND: 1,
  E_SESSION_UNKNOWN: 1,
  E_SESSION_EXISTS: 1,
  E_SESSION_FOREIGN: 1,
  E_SESSION_NEEDS_STORE: 1,
  E_SECOND_SEQUENCER: 1,
  E_SECOND_INSTANCE: 1,
  E_SEQUENCE_PAST_END: 1,
  E_STORE_HELD: 1,
  E_STORE_CORRUPT: 1,
  E_STORE_FULL: 1,
  E_STORE_IO: 1,
  E_FILE: 1,
  E_FILE_FORMAT: 1,
  E_SCHEMA: 1,
  E_SCHEMA_MISMATCH: 1,
  E_PAYLOAD: 1,
  E_MODULE: 1,
  E_HANDLER: 1,
  E_NONDETERMINISM: 1,
  E_CHECKPOINT: 1,
  E_EFFECT: 1,
  E_INPUT: 1,
  E_LOST: 1,
  E_SOURCE_EXHAUSTED: 1,
  E_EPOCHS_EXHAUSTED: 1,
  E_ETCD: 1,
  E_OUTBOX_FULL: 1,
  E_PROJECTION: 1,
  E_DATABASE: 1,
  E_REFUSED: 1,
  E_TIMEOUT: 1,
  E_VERIFY: 1,
  E_DIFFERENT: 1,
  E_DEMO: 1,
  E_BENCH: 1,
} as const satisfies Record<string, ExitStatus>

export type ErrorCode = keyof typeof ERROR_CODES

export interface ErrorDetails {
  /** What the user can do about it, as a sentence. */
  readonly hint?: string
  /** Machine-readable facts: session, sequence, path, address. */
  readonly fields?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

export class SeqcastError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly fields: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'SeqcastError'
    this.code = code
    this.hint = details.hint
    this.fields = details.fields ?? {}
  }

  get exitStatus(): ExitStatus {
    return ERROR_CODES[this.code]
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** The `code` of a system error (`EADDRINUSE`), or undefined. */
export function systemCodeOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined
  return typeof thrown.code === 'string' ? thrown.code : undefined
}
