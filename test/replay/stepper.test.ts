import { test } from 'tap'
import { breakOnChange, breakOnType, breakWhen } from '../../src/replay/breakpoint.js'
import { pathText } from '../../src/replay/state-path.js'
import { Stepper, type Stop } from '../../src/replay/stepper.js'
import type { DeskState } from '../component/desk.js'
import { lastOf, playerOf, recordDesk } from './recorded-desk.js'

function stepperOf(breakpoints = [breakOnType('Order', ['Order'])], orders = 40): Stepper {
  const session = recordDesk(undefined, orders)
  return new Stepper({
    createPlayer: (onCommand) => playerOf(session, onCommand),
    toSequence: lastOf(session),
    breakpoints,
    maxChanges: 100,
  })
}

const told = ({ event, why, parts }: Stop) => [
  why,
  event?.name,
  ...parts.flatMap(({ changes, commands }) => [
    ...changes.map(({ kind, path }) => `${kind} ${pathText(path)}`),
    ...commands.map(({ name }) => `-> ${name}`),
  ]),
]

test('a step tells the event and what it changed', async (t) => {
  const stepper = stepperOf()
  t.strictSame(told(await stepper.next(1)), ['step', 'SessionStarted'])
  t.strictSame(told(await stepper.toBreakpoint()), [
    'break',
    'Order',
    'added open[1]',
    'changed lastKey',
    '-> Accepted',
  ])
  t.strictSame(told(await stepper.next(1)), ['step', 'SourceRegistered'])
  const there = await stepper.goTo(40)
  t.equal(there.event?.sequence, 40)
  t.equal(stepper.player.next, 41)
  const state = stepper.player.parts[0]?.state as DeskState
  t.ok(state.open.size > 5, 'the state is the one after the event')
  t.strictSame(told(await stepper.goTo(40)), ['end', undefined], 'there is no way back')
  t.strictSame((await stepper.goTo(1_000_000)).event?.name, 'DigestTaken', 'no further than the last event')
  t.strictSame(told(await stepper.next(1)), ['end', undefined])
  stepper.close()
  t.end()
})

test('it stops where an expression is true', async (t) => {
  const stepper = stepperOf([breakWhen('payload.id === 7 && event.name === "Order"')])
  const stop = await stepper.toBreakpoint()
  t.match(stop, { why: 'break', breakpoint: /payload.id/, event: { name: 'Order', payload: { id: 7 } } })
  t.equal((await stepper.toBreakpoint()).why, 'end')
  const more = stepperOf([breakWhen('state.open.size > 3'), breakWhen('states.desk.open.size > 5')])
  t.match(await more.toBreakpoint(), { breakpoint: 'state.open.size > 3', event: { payload: { id: 4 } } })
  const caused = stepperOf([breakWhen('commands.some(({ name }) => name === "Expired")')])
  t.match(await caused.toBreakpoint(), { parts: [{ timersFired: 1, commands: [{ name: 'Expired' }] }] })
  t.end()
})

test('it stops where a value has become another one', async (t) => {
  const stepper = stepperOf([breakOnChange('open[3]')])
  t.strictSame(told(await stepper.toBreakpoint()).slice(0, 3), ['break', 'Order', 'added open[3]'])
  t.match(told(await stepper.toBreakpoint()), ['break', String, /removed open\[3\]/])
  t.equal((await stepper.toBreakpoint()).why, 'end')
  t.end()
})

test('expressions that can not be', async (t) => {
  for (const wrong of [
    'state.x = 1',
    'state.n++',
    'delete state.open',
    'state.open.delete(3)',
    'payload.id ==',
    ')(',
    'let x',
  ]) {
    t.throws(() => breakWhen(wrong), { code: 'E_USAGE' }, wrong)
  }
  for (const fine of ['a => b', 'x >= 1', 'x <= 1 && y !== 2', 'name === "a=b"', 'payload.id == 3']) {
    t.doesNotThrow(() => breakWhen(fine), fine)
  }
  await t.rejects(stepperOf([breakWhen('order.id === 3')]).toBreakpoint(), {
    code: 'E_USAGE',
    message: /order is not defined/,
  })
  await t.rejects(stepperOf([breakWhen('Promise.reject(new Error("late"))')]).toBreakpoint(), {
    code: 'E_USAGE',
    message: /gives a promise/,
  })
  const astray = breakWhen('state.opne.size > 3')
  t.equal((await stepperOf([astray]).toBreakpoint()).why, 'end')
  t.match(astray.failing?.(), /undefined/, 'it could be looked at nowhere, and why')
  const fitting = breakWhen('payload.id.length > 99')
  await stepperOf([fitting]).toBreakpoint()
  t.equal(fitting.failing?.(), undefined, 'events without the field are none that are looked for')
  t.throws(() => breakOnType('Ordr', ['Order', 'Blob']), { code: 'E_USAGE', hint: 'the events are Order, Blob' })
  t.throws(() => breakOnChange('open['), { code: 'E_USAGE' })
  t.end()
})
