import { test } from 'tap'
import { Pacer } from '../../src/cli/replay-pacer.js'

/** A clock that a wait moves, by more than was asked for: timers are late. */
function lateClock(lateMs: number) {
  const clock = {
    ms: 5_000,
    waits: [] as number[],
    nowMs: () => clock.ms,
    wait: async (ms: number) => {
      clock.waits.push(ms)
      clock.ms += ms + lateMs
    },
  }
  return clock
}

test('the pace is exact over any length, however late each wait ends', async (t) => {
  const clock = lateClock(0.9)
  const pacer = new Pacer(10, clock)
  // 20,000 packets, 7 ms apart, which take 0.1 ms each to play.
  for (let i = 0; i < 20_000; i++) {
    await pacer.until(1_000_000 + i * 7_000)
    clock.ms += 0.1
  }
  const { seconds = 0, dueSeconds = 0 } = pacer.report() ?? {}
  t.equal(Math.round(dueSeconds * 1e6), 19_999 * 700)
  t.ok(Math.abs(seconds - dueSeconds) < 0.003, `${seconds} s for ${dueSeconds} s`)
  t.end()
})

test('who does not keep up waits no more, and what was lost is made up for', async (t) => {
  const clock = lateClock(0)
  const pacer = new Pacer(1, clock)
  t.equal(pacer.until(0), undefined)
  clock.ms += 50
  t.equal(pacer.until(10_000), undefined)
  t.equal(pacer.until(50_500), undefined, 'less than a timer can wait')
  await pacer.until(60_000)
  t.strictSame(clock.waits, [10])
  t.strictSame(pacer.report(), { seconds: 0.06, dueSeconds: 0.06 })
  t.end()
})

test('a pause that is longer than any timer is waited for', async (t) => {
  const clock = lateClock(0)
  const pacer = new Pacer(1, clock)
  await pacer.until(0)
  await pacer.until(40 * 86_400e6)
  t.equal(clock.ms, 5_000 + 40 * 86_400e3)
  t.equal(Math.max(...clock.waits), 3_600_000)
  t.end()
})

test('a signal ends the wait', async (t) => {
  const aborter = new AbortController()
  const pacer = new Pacer(1, { signal: aborter.signal })
  await pacer.until(0)
  const wait = pacer.until(3_600e6)
  setImmediate(() => aborter.abort())
  await wait
  t.equal(new Pacer(1).report(), undefined, 'nothing to tell before the first packet')
  t.end()
})
