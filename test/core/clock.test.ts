/** Clock, counters, seeded numbers, sessions: small things that everything stands on. */
import { test } from 'tap'
import { SystemClock } from '../../src/core/clock.js'
import { createCounters, nonZero } from '../../src/core/counters.js'
import { ERROR_CODES, SeqcastError } from '../../src/core/errors.js'
import { Prng } from '../../src/core/prng.js'
import { parseSession, sessionBytes } from '../../src/core/session.js'

test('the system clock: monotonic time goes on, wall time is the epoch’s', (t) => {
  const clock = new SystemClock()
  const first = clock.nowUs()
  t.ok(clock.nowUs() >= first)
  const offMs = Math.abs(clock.wallUs(clock.nowUs()) / 1000 - Date.now())
  t.ok(offMs < 1_000, `wall clock within a second of Date.now (${offMs} ms)`)
  t.end()
})

test('equal seeds give equal numbers, in range and spread', (t) => {
  const a = new Prng(42)
  const b = new Prng(42)
  const buckets = new Array<number>(10).fill(0)
  for (let i = 0; i < 10_000; i++) {
    const fraction = a.fraction()
    if (fraction !== b.fraction() || fraction < 0 || fraction >= 1) t.fail(`draw ${i}`)
    buckets[Math.floor(fraction * 10)]! += 1
  }
  t.ok(Math.min(...buckets) > 800 && Math.max(...buckets) < 1_200, `spread ${buckets}`)
  t.not(new Prng(1).nextU32(), new Prng(2).nextU32())
  const dice = new Set(Array.from({ length: 200 }, () => a.integer(1, 6)))
  t.strictSame([...dice].sort(), [1, 2, 3, 4, 5, 6])
  t.end()
})

test('counters start at zero and show what is above', (t) => {
  const counters = createCounters(['a', 'b'])
  counters.b += 2
  t.strictSame({ ...counters }, { a: 0, b: 2 })
  t.strictSame(nonZero(counters), { b: 2 })
  t.end()
})

test('every error has a code with an exit status', (t) => {
  for (const [code, status] of Object.entries(ERROR_CODES))
    t.ok(/^E_[A-Z_]+$/.test(code) && (status === 1 || status === 2), code)
  const error = new SeqcastError('E_GROUP', 'what', { hint: 'do', fields: { a: 1 } })
  t.match(error, { exitStatus: 2, hint: 'do', fields: { a: 1 } })
  t.end()
})

test('session ids', (t) => {
  t.equal(parseSession('A1'), 'A1')
  for (const bad of ['', '12345678901', 'a b', 'ü']) t.throws(() => parseSession(bad), { code: 'E_CONFIG' }, bad)
  t.equal(Buffer.from(sessionBytes('A1')).toString(), 'A1        ')
  t.end()
})
