/**
 * Where a replay stops: after an event of a type, where an expression is true, or where a part of the state has become another one. The
 * expression is JavaScript over what a stop shows; it looks, and must not change anything.
 */
import { compileFunction } from 'node:vm'
import { messageOf, SeqcastError } from '../core/errors.js'
import type { CausedCommand } from './audit-trail.js'
import { placeAt } from './entity.js'
import type { RecordedEvent } from './event-reader.js'
import { areSame, copyState } from './state-diff.js'
import { parsePath } from './state-path.js'

/** What a breakpoint may look at: the event, and what is so after it. */
export interface Moment {
  readonly event: RecordedEvent
  /** By the name of the component. */
  readonly states: Readonly<Record<string, unknown>>
  /** The state of the only component, or of the first. */
  readonly state: unknown
  /** What the handlers issued under this event. */
  readonly commands: readonly CausedCommand[]
}

export interface Breakpoint {
  /** As the user wrote it. */
  readonly text: string
  /** Called where it begins to wait, with the states there. */
  arm?(states: Moment['states']): void
  /** Called after each event. @throws SeqcastError E_USAGE where the expression names what is not there */
  isReached(moment: Moment): boolean
  /** Fields that it asks of payloads, and that none had so far. */
  missing?(): readonly string[]
  /** Why it could not be looked at after any event so far; undefined where it could. */
  failing?(): string | undefined
}

/** Stops after each event of this type. @throws SeqcastError E_USAGE where no event is called so */
export function breakOnType(name: string, known: readonly string[]): Breakpoint {
  if (!known.includes(name)) {
    throw new SeqcastError('E_USAGE', `--break-on ${name}: no event is called so`, {
      hint: `the events are ${known.join(', ')}`,
    })
  }
  return { text: `on ${name}`, isReached: ({ event }) => event.name === name && !event.isFragment }
}

/**
 * Stops where the value at a path has become another one, has come, or has gone, in the state of any of the components.
 * @throws SeqcastError E_USAGE where it is no path
 */
export function breakOnChange(path: string): Breakpoint {
  parsePath(path)
  const look = (states: Moment['states']): unknown[] =>
    Object.values(states).map((state) => placeAt(state, path)?.value)
  let before: unknown[] = []
  return {
    text: `change of ${path}`,
    arm: (states) => {
      before = copyState(look(states))
    },
    isReached: ({ states }) => {
      const now = look(states)
      if (areSame(before, now)) return false
      before = copyState(now)
      return true
    },
  }
}

const NAMES = ['event', 'payload', 'state', 'states', 'sequence', 'timeUs', 'commands'] as const

/** Stops where the expression is true. @throws SeqcastError E_USAGE where it can't be read */
export function breakWhen(expression: string): Breakpoint {
  const holds = compile(expression)
  const missing = new Set(fieldsAskedFor(expression))
  let failing: string | undefined
  let hasHeld = false
  return {
    text: expression,
    missing: () => [...missing],
    failing: () => (hasHeld ? undefined : failing),
    isReached: (moment) => {
      const { event, state, states, commands } = moment
      if (missing.size > 0) findFields(event.payload, missing)
      try {
        const value = holds(event, event.payload ?? {}, state, states, event.sequence, event.timeUs, commands)
        if (isPromise(value)) throw promised(expression, value)
        hasHeld = true
        return Boolean(value)
      } catch (thrown) {
        if (thrown instanceof SeqcastError) throw thrown
        // An event without the field that is looked into is not the one that is looked for.
        failing = messageOf(thrown)
        if (isTypeError(thrown)) return false
        throw wrong(expression, `fails at event ${event.sequence}: ${messageOf(thrown)}`, thrown)
      }
    },
  }
}

function compile(expression: string): (...values: readonly unknown[]) => unknown {
  if (/(?<![=!<>])=(?![=>])|\+\+|--|\bdelete\b/.test(withoutText(expression))) {
    throw wrong(expression, 'changes something: compare with ===', undefined)
  }
  try {
    const compiled: unknown = compileFunction(`'use strict'; return (${expression}\n)`, [...NAMES])
    if (typeof compiled === 'function') return (...values) => Reflect.apply(compiled, undefined, values)
    throw new Error('it is no expression')
  } catch (thrown) {
    throw wrong(expression, `can't be read: ${messageOf(thrown)}`, thrown)
  }
}

/** `payload.orderId`, and what lies in it below the first step is not looked at. */
function fieldsAskedFor(expression: string): string[] {
  return [...withoutText(expression).matchAll(/\bpayload\??\.([A-Za-z_]\w*)/g)].map(([, field = '']) => field)
}

function findFields(payload: unknown, missing: Set<string>): void {
  if (typeof payload !== 'object' || payload === null) return
  for (const field of missing) if (field in payload) missing.delete(field)
}

/** Without what is in quotes, where signs mean nothing. */
function withoutText(expression: string): string {
  return expression.replace(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`/g, '""')
}

function wrong(expression: string, what: string, cause: unknown): SeqcastError {
  return new SeqcastError('E_USAGE', `the breakpoint ${expression} ${what}`, {
    hint: `it is a JavaScript expression over ${NAMES.join(', ')}: payload.orderId === 42 && state.open.size > 3`,
    cause,
  })
}

/** It would be true at every event. */
function promised(expression: string, promise: PromiseLike<unknown>): SeqcastError {
  // What becomes of it is of no interest any more.
  promise.then(ignore, ignore)
  return wrong(expression, 'gives a promise: what is awaited comes too late', undefined)
}

const ignore = (): void => {}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** Also one of another realm. */
function isTypeError(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'TypeError'
}
