/** What a tool learns of a session before it joins: how far it reaches, how far nothing is taken back, and whether somebody sequences it. */
import { test } from 'tap'
import type { ControlLink, ControlListener } from '../../src/runtime/control-link.js'
import { DutyCycle } from '../../src/runtime/duty-cycle.js'
import { DEFAULT_CONTROL_GROUP, type RoleOptions } from '../../src/runtime/options.js'
import { systemPlatform } from '../../src/runtime/platform.js'
import { findSession } from '../../src/runtime/session-finder.js'
import type { ControlMessage } from '../../src/wire/control.js'

const options = { session: 'TEST', stores: [], controlGroup: DEFAULT_CONTROL_GROUP } as unknown as RoleOptions

/** A control stream on which these are heard at once. */
function heard(...bodies: readonly object[]): ControlLink {
  const listen = (listener: ControlListener): (() => void) => {
    const say = (): void => {
      for (const message of bodies) listener(message as ControlMessage, '127.0.0.1', 0)
    }
    queueMicrotask(say)
    const again = setInterval(say, 100)
    return () => clearInterval(again)
  }
  return { listen } as unknown as ControlLink
}

const sequencer = (state: string): object => ({
  kind: 'sequencer',
  body: { state, nextSequence: 49, stableSequence: 40 },
})

test('what a sequencer says of the end is told apart from what nothing takes back', async (t) => {
  const cycle = new DutyCycle(systemPlatform(), 'block')
  const found = await findSession(options, heard(sequencer('open')), cycle)
  t.strictSame(found, { nextSequence: 49, stableSequence: 40, hasSequencer: true, hasEnded: false, successor: '' })
})

test('a candidate does not speak for the session; a store knows how far it reaches, and not what is stable', async (t) => {
  const cycle = new DutyCycle(systemPlatform(), 'block')
  const store = { kind: 'store', body: { state: 'live', committedSequence: 47 } }
  const found = await findSession(options, heard(sequencer('standby'), store), cycle)
  t.strictSame(found, { nextSequence: 48, stableSequence: 0, hasSequencer: false, hasEnded: false, successor: '' })
})

test('a store knows which session goes on; a sequencer that has ended its session does not keep that back', async (t) => {
  const cycle = new DutyCycle(systemPlatform(), 'block')
  const store = { kind: 'store', body: { state: 'complete', committedSequence: 47, successor: 'S2' } }
  const found = await findSession(options, heard(sequencer('ending'), store), cycle)
  t.match(found, { hasSequencer: false, successor: 'S2' })
  const alone = await findSession(options, heard(sequencer('ending')), cycle)
  t.match(alone, { nextSequence: 49, hasSequencer: true, hasEnded: false, successor: '' })
})

test('nobody speaks', async (t) => {
  const cycle = new DutyCycle(systemPlatform(), 'block')
  await t.rejects(findSession(options, heard(), cycle), { code: 'E_SESSION_UNKNOWN' })
})

test('a session that has ended in order, and that only a store speaks for', async (t) => {
  const cycle = new DutyCycle(systemPlatform(), 'block')
  const store = { kind: 'store', body: { state: 'ended', committedSequence: 47 } }
  t.match(await findSession(options, heard(store), cycle), { hasSequencer: false, hasEnded: true })
})

test('nobody of the session speaks, and others do: they are named', async (t) => {
  const cycle = new DutyCycle(systemPlatform(), 'block')
  const link = heard()
  const found = findSession(options, link, cycle)
  for (const kind of ['store', 'sequencer', 'adminReply']) link.onForeign({ kind, session: 'OTHER' } as ControlMessage)
  link.onForeign({ kind: 'store', session: '\x1b[2J' } as ControlMessage)
  await t.rejects(found, {
    code: 'E_SESSION_UNKNOWN',
    message: /heard there: sequencer and store of OTHER$/,
    hint: /seqcast status --session OTHER/,
  })
})
