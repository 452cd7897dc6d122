/** The duty cycle: one clock read and one flush a turn, deadlines kept, in both idle modes. */
import { type Test, test } from 'tap'
import type { Clock } from '../../src/core/clock.js'
import { type Agent, DutyCycle, type IdleMode } from '../../src/runtime/duty-cycle.js'
import { type Platform, systemPlatform } from '../../src/runtime/platform.js'

/** Counts how often it is read; time moves only when told. */
class CountingClock implements Clock {
  reads = 0
  us = 1_000

  nowUs(): number {
    this.reads += 1
    return this.us
  }

  wallUs(nowUs: number): number {
    return nowUs + 5_000_000
  }
}

class CountingAgent implements Agent {
  flushes = 0
  ticks = 0
  deadlineUs = Number.POSITIVE_INFINITY
  onTick: (nowUs: number) => void = () => {}

  flush(): void {
    this.flushes += 1
  }

  tick(nowUs: number): number {
    this.ticks += 1
    this.onTick(nowUs)
    return this.deadlineUs
  }
}

const on = (clock: Clock): Platform => ({ ...systemPlatform(), clock })

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

for (const idle of ['block', 'spin'] as const satisfies readonly IdleMode[]) {
  test(`${idle}: many feeds in a turn are flushed once, with one time`, async (t) => {
    const clock = new CountingClock()
    const cycle = new DutyCycle(on(clock), idle)
    const agent = new CountingAgent()
    cycle.add(agent)
    cycle.start()
    await turn()
    const flushesBefore = agent.flushes
    const first = cycle.enter()
    clock.us += 77
    t.equal(cycle.enter(), first, 'the clock is read once a turn')
    t.equal(cycle.wallUs, first + 5_000_000)
    t.equal(agent.flushes, flushesBefore, 'nothing is flushed within the turn')
    await turn()
    t.equal(agent.flushes, flushesBefore + 1)
    t.equal(cycle.enter(), clock.us, 'the next turn has its own time')
    cycle.stop()
  })

  test(`${idle}: a lone datagram is answered at once, a burst at its end`, async (t) => {
    const clock = new CountingClock()
    const cycle = new DutyCycle(on(clock), idle)
    const agent = new CountingAgent()
    cycle.add(agent)
    cycle.start()
    await turn()
    const burst = (datagrams: number): number => {
      clock.us += 50
      const before = agent.flushes
      for (let i = 0; i < datagrams; i++) {
        cycle.receive()
        cycle.fed()
        clock.us += 2
      }
      return agent.flushes - before
    }
    t.equal(burst(1), 1, 'flushed before the turn is over')
    t.equal(burst(1), 1, 'and so is the next one')
    t.equal(burst(5), 1, 'the first of a burst that nobody could foresee goes out, the rest waits')
    const before = agent.flushes
    await turn()
    // A deadline that was due meanwhile may have had a turn of its own.
    t.ok(agent.flushes > before, 'for the end of the turn')
    // The timer that lone datagrams armed must not open a turn just now.
    cycle.stop()
    cycle.start()
    await turn()
    t.equal(burst(1), 1, 'after a burst, too')
    cycle.stop()
  })

  test(`${idle}: after lone datagrams deadlines are looked at`, async (t) => {
    const cycle = new DutyCycle(on({ nowUs: () => performance.now() * 1000, wallUs: (nowUs) => nowUs }), idle)
    const agent = new CountingAgent()
    cycle.add(agent)
    cycle.start()
    await turn()
    const ticked = new Promise<void>((resolve) => {
      agent.onTick = () => resolve()
    })
    cycle.receive()
    cycle.fed()
    await ticked
    t.pass('without any further datagram')
    cycle.stop()
  })

  test(`${idle}: deadlines are kept without any feed`, async (t) => {
    const cycle = new DutyCycle(on({ nowUs: () => performance.now() * 1000, wallUs: (nowUs) => nowUs }), idle)
    const agent = new CountingAgent()
    const late = new Promise<number>((resolve) => {
      const wanted = performance.now() * 1000 + 5_000
      agent.deadlineUs = wanted
      agent.onTick = (nowUs) => {
        if (nowUs < wanted) return
        agent.deadlineUs = Number.POSITIVE_INFINITY
        resolve(nowUs - wanted)
      }
    })
    cycle.add(agent)
    cycle.start()
    t.ok((await late) >= 0)
    cycle.stop()
  })
}

test('block: an idle loop does not turn', async (t) => {
  const clock = new CountingClock()
  const cycle = new DutyCycle(on(clock), 'block')
  const agent = new CountingAgent()
  cycle.add(agent)
  cycle.start()
  await turn()
  const { ticks } = agent
  const { reads } = clock
  for (let i = 0; i < 20; i++) await turn()
  t.equal(agent.ticks, ticks)
  t.equal(clock.reads, reads)
  cycle.stop()
})

/** An agent that sends something each time it is flushed. No timer opens a turn meanwhile: what is looked at is the polling alone. */
function startedBlocking(
  t: Test,
  sends: boolean,
): {
  cycle: DutyCycle
  clock: CountingClock
  datagram: (gapUs: number) => void
} {
  const { setTimeout: usual } = globalThis
  globalThis.setTimeout = Object.assign(() => usual(() => {}, 0), usual)
  t.teardown(() => {
    globalThis.setTimeout = usual
  })
  const clock = new CountingClock()
  const cycle = new DutyCycle(on(clock), 'block')
  const agent: Agent = {
    flush: () => {
      if (sends) cycle.expectAnswer()
    },
    tick: () => Number.POSITIVE_INFINITY,
  }
  cycle.add(agent)
  cycle.start()
  const datagram = (gapUs: number): void => {
    clock.us += gapUs
    cycle.receive()
    cycle.fed()
  }
  return { cycle, clock, datagram }
}

/** Whether the loop looks again, although nothing came. */
async function looks(clock: CountingClock): Promise<boolean> {
  const { reads } = clock
  await turn()
  await turn()
  return clock.reads > reads
}

test('block: looks a moment longer for the answer to what it sent, while datagrams come close together', async (t) => {
  const { cycle, clock, datagram } = startedBlocking(t, true)
  await turn()
  datagram(10_000)
  t.notOk(await looks(clock), 'the first datagram after a silence')
  datagram(60)
  t.ok(await looks(clock), 'one soon after it')
  clock.us += 49
  t.ok(await looks(clock), 'still')
  clock.us += 1
  await turn()
  t.notOk(await looks(clock), 'then it sleeps')
  datagram(40)
  t.ok(await looks(clock), 'until the next one')
  cycle.stop()
  await turn()
  t.notOk(await looks(clock), 'stopped, it does not look')
})

test('block: who only listens sleeps at once', async (t) => {
  const { cycle, clock, datagram } = startedBlocking(t, false)
  await turn()
  datagram(60)
  datagram(60)
  t.notOk(await looks(clock))
  cycle.stop()
})

test('what an agent issues while it ticks is flushed in a turn of its own', async (t) => {
  const cycle = new DutyCycle(on(new CountingClock()), 'block')
  const agent = new CountingAgent()
  cycle.add(agent)
  cycle.start()
  await turn()
  const before = agent.flushes
  agent.onTick = () => {
    agent.onTick = () => {}
    cycle.enter()
  }
  cycle.enter()
  await turn()
  await turn()
  t.equal(agent.flushes, before + 2)
  cycle.stop()
})

test('stopped, nothing runs; started again, it goes on', async (t) => {
  const cycle = new DutyCycle(on(new CountingClock()), 'spin')
  const agent = new CountingAgent()
  cycle.add(agent)
  cycle.start()
  await turn()
  cycle.stop()
  await turn()
  const { flushes, ticks } = agent
  cycle.enter()
  await turn()
  t.equal(agent.flushes, flushes)
  t.equal(agent.ticks, ticks)
  cycle.start()
  await turn()
  t.equal(agent.flushes, flushes + 1)
  cycle.stop()
})

for (const call of ['flush', 'tick'] as const) {
  test(`an agent that stops the cycle in its ${call} ends it: nothing is called after it, no timer is left`, async (t) => {
    const clock = new CountingClock()
    const cycle = new DutyCycle(on(clock), 'block')
    const after = new CountingAgent()
    const stopper: Agent = {
      flush: () => {
        if (call === 'flush') cycle.stop()
      },
      tick: (nowUs) => {
        if (call === 'tick') cycle.stop()
        return nowUs + 1_000
      },
    }
    cycle.start()
    await turn()
    cycle.add(stopper)
    cycle.add(after)
    const { reads } = clock
    await turn()
    t.equal(after.ticks, 0)
    await new Promise((resolve) => setTimeout(resolve, 10))
    t.equal(after.ticks, 0)
    t.equal(clock.reads, reads, 'no timer has called')
    cycle.stop()
  })
}
