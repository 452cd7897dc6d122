/** A component that is taken out of service: no session waits for it, until it is activated again. */
import { test } from 'tap'
import type { AdminRequest } from '../../src/wire/control.js'
import {
  ACTIVATED,
  PASSIVATED,
  passivatedCodec,
  SEED_DONE,
  SESSION_OPENED,
  SESSION_STARTED,
  seedDoneCodec,
  sessionOpenedCodec,
  sessionStartedCodec,
} from '../../src/wire/runtime-events.js'
import { Bench, bytes, commandPacket, SESSION } from './sequencer-kit.js'

let nonce = 1

/** @returns the sequence of the event that says so, or why not */
function ask(bench: Bench, action: string, request: Partial<AdminRequest> = {}): number | string {
  const body = {
    ...{ nonce: nonce++, action, component: 'archive', instance: '', incarnation: 0, expectedTerm: 0, reason: 'asked' },
    ...request,
  }
  bench.sequencer.onControl({ session: SESSION, sender: 50, kind: 'adminRequest', body }, bench.nowUs, bench.wallUs)
  bench.flush()
  const reply = bench.control.findLast(({ kind }) => kind === 'adminReply')
  if (reply?.kind !== 'adminReply') throw new Error('no reply')
  return reply.body.error === '' ? reply.body.sequence : reply.body.error
}

const activate = (bench: Bench, instance = 'a'): number | string =>
  ask(bench, 'activate', { instance, incarnation: 11 })
const typesOf = (bench: Bench): number[] => bench.events().map(({ type }) => type)

/** The session that goes on from there, after a roll. */
function next(bench: Bench, seeders: readonly string[] = []): Bench {
  bench.sequencer.roll('TEST02', '', bench.nowUs, bench.wallUs)
  const one = new Bench({ seeders })
  one.sequencer.goOnFrom(bench.sequencer.predecessor)
  return one.open()
}

test('a retired component is no seeder of the next sessions, stays retired, and is one again when it was activated', (t) => {
  const first = new Bench().open()
  activate(first)
  const sequence = ask(first, 'retire')
  t.equal(sequence, 3)
  const said = passivatedCodec.decode(first.events().at(-1)?.payload ?? bytes(0))
  t.strictSame(said, { component: 'archive', term: 2, reason: 'asked', retired: true })
  t.equal(ask(first, 'retire'), sequence, 'again: nothing new')
  t.strictSame(first.sequencer.retired, ['archive'])

  const second = next(first, ['archive'])
  t.equal(second.sequencer.state, 'open', 'nobody is waited for, whatever the configuration says')
  const started = sessionStartedCodec.decode(second.events()[0]?.payload ?? bytes(0))
  t.match(started, { seeders: [], retired: ['archive'] })
  t.strictSame(second.sequencer.retired, ['archive'])
  const refused = ask(second, 'offer', { instance: 'a', incarnation: 11, expectedTerm: 1 })
  t.match(refused, /archive' is retired/)
  const rebuilt = new Bench({ seeders: ['archive'] }).rebuildFrom(second)
  t.strictSame(rebuilt.sequencer.retired, ['archive'])
  const third = next(second)
  t.strictSame(third.sequencer.retired, ['archive'], 'from session to session')
  t.type(activate(third), 'number')
  t.strictSame(third.sequencer.retired, [])
  t.strictSame(next(third).sequencer.awaited, ['archive'])
  t.end()
})

test('a session that waits for the component goes on without it at once', (t) => {
  const first = new Bench().open()
  activate(first)
  ask(first, 'activate', { component: 'orders', instance: 'b', incarnation: 12 })
  const second = next(first)
  t.strictSame(second.sequencer.awaited, ['archive', 'orders'])
  const source = second.register('orders/seed', 1, { component: 'orders' })
  second.command(
    commandPacket(source, 1, [
      { type: SEED_DONE, payload: seedDoneCodec.encode({ component: 'orders', events: 0, pending: 0 }) },
    ]),
  )
  t.equal(second.sequencer.state, 'seeding')
  t.type(ask(second, 'retire'), 'number')
  t.equal(second.sequencer.state, 'open')
  t.strictSame(typesOf(second).slice(0, 3), [SESSION_STARTED, ACTIVATED, ACTIVATED])
  t.strictSame(typesOf(second).slice(-2), [PASSIVATED, SESSION_OPENED])
  t.strictSame(sessionOpenedCodec.decode(second.events().at(-1)?.payload ?? bytes(0))?.missing, ['archive'])
  t.strictSame(next(second).sequencer.awaited, ['orders'])
  t.end()
})

test('a sequencer that comes after the event waits for nobody either', (t) => {
  const second = new Bench({ seeders: ['archive', 'orders'] }).open()
  t.type(ask(second, 'retire'), 'number', 'it was never active, and is awaited')
  const rebuilt = new Bench({ seeders: ['archive', 'orders'] }).rebuildFrom(second).open()
  t.strictSame(rebuilt.sequencer.awaited, ['orders'])
  t.end()
})

test('one whose replica is active and there, and one that nobody knows, are not retired', (t) => {
  const bench = new Bench().open()
  t.match(ask(bench, 'retire'), /'archive' was never active, and no session waits for it/)
  activate(bench)
  const status = { component: 'archive', instance: 'a', state: 'active', reason: '', term: 1, nextSequence: 2 }
  const body = { ...status, digestSequence: 0, digest: bytes(0), outboxCommands: 0, counters: {} }
  bench.sequencer.onControl({ session: SESSION, sender: 11, kind: 'component', body }, bench.nowUs, bench.wallUs)
  t.match(ask(bench, 'retire'), /'a' of component 'archive' is active, and was heard 0 ms ago: stop it, or passivate/)
  t.type(ask(bench, 'passivate'), 'number')
  t.type(ask(bench, 'retire'), 'number')
  t.end()
})

test('commands of its last session that are still to come do not keep a session from going on', (t) => {
  const first = new Bench().open()
  activate(first)
  const second = next(first)
  const source = second.register('archive/seed', 1, { component: 'archive' })
  second.command(
    commandPacket(source, 1, [
      { type: SEED_DONE, payload: seedDoneCodec.encode({ component: 'archive', events: 0, pending: 2 }) },
    ]),
  )
  t.match(second.sequencer.roll('TEST03', '', second.nowUs, second.wallUs), /of archive commands/)
  t.type(ask(second, 'retire'), 'number')
  t.type(second.sequencer.roll('TEST03', '', second.nowUs, second.wallUs), 'number')
  t.end()
})
