/**
 * Without a key anybody can send a datagram that says that a session has gone on in another one. Who starts is not led astray by one, and
 * comes back from a session that nobody speaks for.
 */
import { test } from 'tap'
import type { ControlLink, ControlListener } from '../../src/runtime/control-link.js'
import { DutyCycle } from '../../src/runtime/duty-cycle.js'
import { DEFAULT_CONTROL_GROUP, type RoleOptions } from '../../src/runtime/options.js'
import { systemPlatform } from '../../src/runtime/platform.js'
import { findOpenSession } from '../../src/runtime/session-finder.js'
import { SkipAhead } from '../../src/runtime/skip-ahead.js'
import { SuccessorWords } from '../../src/runtime/successor-words.js'
import type { ControlMessage } from '../../src/wire/control.js'
import { FIRST, RollLan } from './roll-lan.js'

const EVIL = 'EVIL'

for (const voters of [false, true]) {
  const how = voters ? 'with voters' : 'without voters'
  test(`${how}: one datagram leads no role astray that starts`, async (t) => {
    const lan = new RollLan(t, { seed: 80, voters, sequencers: ['s1'], stores: ['a'] })
    await lan.run(1_500)
    lan.kill('s1')
    await lan.run(1_000)
    lan.startActive('s1', FIRST)
    const newest = lan.newest()
    await lan.run(3)
    lan.lie(FIRST, EVIL)
    lan.lie(FIRST, EVIL)
    lan.sayDropped('a', FIRST, EVIL)
    await lan.run(3_000)
    t.equal(lan.openSession, FIRST)
    t.equal(await newest, FIRST)
    t.strictSame(lan.failures, [])
  })
}

test('a process that was told again and again of a session that is not there comes back', async (t) => {
  const lan = new RollLan(t, { seed: 81, voters: false, sequencers: ['s1'], stores: [] })
  await lan.run(300)
  const newest = lan.newest()
  let lies = 20
  const lie = (): void => {
    lan.lie(FIRST, EVIL)
    if (lies-- > 0) lan.world.after(30_000, lie)
  }
  lie()
  await lan.run(3_000)
  t.equal(await newest, FIRST)
  t.equal(lan.saidBy('late', /nobody speaks for session EVIL: beginning in ROLL1/).length, 1)
})

test('a sender that was led astray comes back to the session that takes commands', async (t) => {
  const cycle = new DutyCycle(systemPlatform(), 'block')
  let session = FIRST
  const followed: string[] = []
  const listen = (listener: ControlListener): (() => void) => {
    const say = (body: object, kind: string): void => listener({ kind, body } as ControlMessage, '127.0.0.1', 0)
    const again = setInterval(() => {
      if (session !== FIRST) return
      say({ state: 'ended', committedSequence: 9, successor: EVIL }, 'store')
      if (followed.length > 1) say({ state: 'open', nextSequence: 7, stableSequence: 6 }, 'sequencer')
    }, 20)
    return () => clearInterval(again)
  }
  const follow = (to: string): void => {
    session = to
    followed.push(to)
  }
  const control = { listen, follow } as unknown as ControlLink
  const options = { session: FIRST, stores: [], controlGroup: DEFAULT_CONTROL_GROUP } as unknown as RoleOptions
  const { options: here, found } = await findOpenSession(options, control, cycle)
  t.equal(here.session, FIRST)
  t.match(found, { nextSequence: 7, hasSequencer: true })
  t.strictSame(followed, [EVIL, FIRST])
})

test('what was said once is doubted for a while, and what is said again is believed', async (t) => {
  const { timers } = systemPlatform()
  const wait = (ms: number): Promise<void> => new Promise((resolve) => timers.after(ms, resolve))
  let settled = 0
  const words = new SuccessorWords(timers, () => settled++)
  t.equal(words.believes(''), false)
  t.equal(words.isDoubting, false)
  t.equal(words.believes('S2'), false)
  t.equal(words.believes('S2'), false, 'a datagram that the network repeats')
  t.ok(words.isDoubting)
  await wait(80)
  t.equal(words.believes('S3'), false)
  t.equal(words.believes('S2'), true)
  for (let i = 0; i < 100; i++) words.believes(`X${i}`)
  t.equal(words.believes('S4'), false)
  await wait(600)
  t.equal(words.isDoubting, false)
  t.equal(settled, 16, 'and no more than that are kept')
  words.close()
})

test('a component comes back from a session that nobody speaks for, and goes there no more', async (t) => {
  const { timers } = systemPlatform()
  const skip = new SkipAhead(timers)
  skip.believes(EVIL)
  await new Promise<void>((resolve) => timers.after(80, resolve))
  t.equal(skip.believes(EVIL), true)
  skip.skipped(FIRST, EVIL, 0)
  t.equal(skip.wayBack(900_000), '')
  t.equal(skip.wayBack(1_000_000), FIRST)
  t.equal(skip.wayBack(2_000_000), '')
  t.equal(skip.believes(EVIL), false)
  skip.skipped(FIRST, 'S2', 0)
  skip.spokenFor()
  t.equal(skip.wayBack(9_000_000), '')
})
