/**
 * Catches, in development, what would make replicas differ: a handler that touches the clock, randomness or a timer of the
 * machine, or that returns a promise. It throws an error that names what was touched and what to use instead.
 *
 * The first `enter` puts watchers around those functions, for the life of the process. A watcher looks at one count, which
 * is above zero only between `enter` and `leave`, around a batch of events: guarding costs an addition a batch, everybody
 * else's clock one look, and a process that never guards nothing at all.
 *
 * It can't see what a module had put into a variable of its own before: replicas that compare digests find the rest.
 */
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import timers from 'node:timers'
import timersPromises from 'node:timers/promises'
import { SeqcastError } from '../core/errors.js'

const TIME = 'use `event.timeUs` or `ctx.timeUs`: the time of the stream, in microseconds'
const TIMER = 'use `ctx.startTimer` and a handler in `timers`'
const RANDOM = 'use `ctx.random()`'
const LATER = 'do it now, or issue a command with `ctx.send` and handle its event'
const OUTSIDE = 'use an effect (`effects`), or bring it in by `input` and a command'

let isInstalled = false
/** How many guarded stretches are open; watchers throw above zero. */
let depth = 0

/** Guards the synchronous stretch of code between `enter` and `leave`. One for the process: so are the globals. */
export const guard = {
  /** From here on what differs between replicas throws. Nested calls count. */
  enter(): void {
    if (!isInstalled) install()
    depth++
  },

  /** Ends what `enter` began: call it in a `finally`. */
  leave(): void {
    if (depth === 0) throw new Error('guard: leave without enter')
    depth--
  },

  /** Calls what a batch leads to but is not a handler's: logging, sockets. */
  outside<T>(action: () => T): T {
    const before = depth
    depth = 0
    try {
      return action()
    } finally {
      depth = before
    }
  },
}

/**
 * Refuses a promise that a handler returned. Call it where the result is not undefined.
 * @param what the handler, as `on.OrderPending`
 * @throws SeqcastError E_NONDETERMINISM
 */
export function refusePromise(returned: unknown, what: string): void {
  if (typeof returned !== 'object' || returned === null || !('then' in returned)) return
  if (typeof returned.then !== 'function') return
  if (returned instanceof Promise) returned.catch(() => {}) // Given up here: its failure must not be unhandled, too.
  throw new SeqcastError('E_NONDETERMINISM', `${what} returned a promise: it must finish before the next event`, {
    hint: `take out \`async\` and \`await\`; ${OUTSIDE}`,
    fields: { touched: 'promise' },
  })
}

function install(): void {
  isInstalled = true
  watchDate()
  watch(globalThis.performance, 'now', 'performance.now', TIME)
  watch(process.hrtime, 'bigint', 'process.hrtime.bigint', TIME)
  watch(process, 'hrtime', 'process.hrtime', TIME)
  watch(Math, 'random', 'Math.random', RANDOM)
  watch(globalThis.crypto, 'randomUUID', 'crypto.randomUUID', RANDOM)
  watch(globalThis.crypto, 'getRandomValues', 'crypto.getRandomValues', RANDOM)
  for (const name of ['randomUUID', 'randomBytes', 'randomInt'] as const) {
    watch(crypto, name, `crypto.${name}`, RANDOM)
  }
  for (const name of ['setTimeout', 'setInterval', 'setImmediate'] as const) {
    watch(globalThis, name, name, TIMER)
    watch(timers, name, name, TIMER)
    watch(timersPromises, name, name, TIMER)
  }
  watch(globalThis, 'queueMicrotask', 'queueMicrotask', LATER)
  watch(process, 'nextTick', 'process.nextTick', LATER)
  watch(globalThis, 'fetch', 'fetch', OUTSIDE)
  syncBuiltinESMExports() // So that `import { randomUUID } from 'node:crypto'` is watched, too.
}

function touched(name: string, instead: string): never {
  throw new SeqcastError('E_NONDETERMINISM', `a handler touched ${name}, which differs between replicas`, {
    hint: instead,
    fields: { touched: name },
  })
}

/** Puts a watcher in the place of a function; its own properties (such as `util.promisify.custom`) stay. */
function watch<T extends object>(owner: T, property: keyof T & string, name: string, instead: string): void {
  const original: unknown = owner[property]
  const { configurable = true } = Object.getOwnPropertyDescriptor(owner, property) ?? {}
  if (typeof original !== 'function' || !configurable) return
  const watcher = new Proxy(original, {
    apply(target, self: unknown, args: unknown[]): unknown {
      if (depth > 0) touched(name, instead)
      return Reflect.apply(target, self, args)
    },
  })
  replace(owner, property, watcher)
}

/** `new Date(timeUs / 1000)` is a function of its argument and stays; what reads the clock is watched. */
function watchDate(): void {
  watch(Date, 'now', 'Date.now', TIME)
  const watcher = new Proxy(Date, {
    apply(target, self: unknown, args: []) {
      if (depth > 0) touched('Date()', TIME)
      return Reflect.apply(target, self, args)
    },
    construct(target, args: [], newTarget) {
      if (depth > 0 && args.length === 0) touched('new Date()', TIME)
      return Reflect.construct(target, args, newTarget)
    },
  })
  replace(globalThis, 'Date', watcher)
  Object.defineProperty(Date.prototype, 'constructor', { value: watcher, writable: true, configurable: true })
}

function replace(owner: object, property: string, value: unknown): void {
  const enumerable = Object.getOwnPropertyDescriptor(owner, property)?.enumerable ?? false
  Object.defineProperty(owner, property, { value, enumerable, writable: true, configurable: true })
}
