/** What the stable stream must be, event by event, and streams that are not. */
import { test } from 'tap'
import { Annals } from '../../src/sim/checkers/annals.js'
import { activatedCodec, passivatedCodec, sourceRegisteredCodec } from '../../src/wire/runtime-events.js'
import { type EventParts, event, violationOf } from './judge-kit.js'

const started: EventParts = { type: 1 }
const tick: EventParts = { type: 3 }

function verdict(...events: readonly EventParts[]): string {
  const annals = new Annals()
  return violationOf(() => {
    for (const [at, parts] of events.entries()) annals.stableEvent(at + 1, event(parts))
  })
}

test('the session and each epoch have a beginning', (t) => {
  const opened: EventParts = { type: 11, epoch: 2 }
  t.equal(verdict(started, tick, opened, { ...tick, epoch: 2 }), 'none')
  t.equal(verdict(started, started), 'G1 two beginnings')
  t.equal(verdict(started, { ...tick, epoch: 2 }), 'G1 an epoch without an opening')
  t.equal(verdict(started, opened, { ...tick, epoch: 1 }, opened), 'G1 an epoch without an opening')
  t.equal(verdict(started, opened, opened), 'G1 an epoch without an opening')
  t.end()
})

test('time never goes back', (t) => {
  const at = (timeUs: number): EventParts => ({ ...tick, timeUs })
  t.equal(verdict(started, at(5), at(5), at(6_000_000_000)), 'none')
  t.equal(verdict(started, at(5), at(4)), 'G1 time goes back')
  t.equal(verdict(started, at(6_000_000_000), at(5_999_999_999)), 'G1 time goes back')
  t.end()
})

test('what was asked for once is registered once', (t) => {
  const registered = (name: string, nonce: number, source: number): EventParts => ({
    type: 2,
    payload: sourceRegisteredCodec.encode({
      name,
      nonce,
      source,
      closes: 0,
      exclusive: true,
      component: '',
      schemaHash: '',
    }),
  })
  t.equal(verdict(started, registered('a', 1, 1), registered('a', 2, 2), registered('b', 1, 3)), 'none')
  t.equal(verdict(started, registered('a', 1, 1), registered('a', 1, 2)), 'G3 a command became two events')
  t.end()
})

test('decisions about a component follow each other', (t) => {
  const active = (component: string, term: number): EventParts => ({
    type: 4,
    payload: activatedCodec.encode({ component, instance: 'x', incarnation: 1, term, reason: '' }),
  })
  const passive = (component: string, term: number): EventParts => ({
    type: 5,
    payload: passivatedCodec.encode({ component, term, reason: '' }),
  })
  t.equal(verdict(started, active('a', 1), active('b', 1), passive('a', 2), active('a', 3)), 'none')
  t.equal(verdict(started, active('a', 1), active('a', 1)), 'G8 a decision made twice')
  t.equal(verdict(started, active('a', 1), passive('a', 3)), 'G8 a decision made twice')
  t.end()
})
