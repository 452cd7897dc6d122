import { test } from 'tap'
import { type Component, defineComponent, isComponent } from '../../src/component/definition.js'
import { defineSchema } from '../../src/component/schema.js'

interface Messages {
  Added: { symbol: string }
  Removed: { symbol: string }
}

const schema = defineSchema<Messages>({
  package: 'p',
  messages: {
    Added: { type: 256, fields: { symbol: { id: 1, type: 'string' } } },
    Removed: { type: 300, fields: { symbol: { id: 1, type: 'string' } } },
  },
  enums: {},
})

const state = (): Set<string> => new Set()

test('a definition becomes tables by type number', (t) => {
  const component = defineComponent({
    name: 'symbols',
    schema,
    state,
    on: { Removed: (symbols, { payload }) => symbols.delete(payload.symbol) },
    timers: { expire() {} },
    effects: { Added: { after: 'stable', run: () => undefined } },
    digestEvery: 10,
    digestOf: (symbols) => symbols.size,
  })
  t.equal(component.handlers.length, 301)
  t.type(component.handlers[300], 'function')
  t.equal(component.handlers[256], undefined)
  t.equal(component.effects[256]?.after, 'stable')
  t.strictSame([...component.timers.keys()], ['expire'])
  t.equal(component.digestEvery, 10)
  t.equal(component.digestOf(new Set([1, 2])), 2)
  const plain: Component = component
  t.equal(isComponent(plain), true)
  t.equal(isComponent({ name: 'x' }), false)
  t.equal(isComponent(undefined), false)
  t.end()
})

test('what may be left out', (t) => {
  const component = defineComponent({ name: 'symbols', schema, state, on: {} })
  t.strictSame([component.handlers, component.effects, component.digestEvery, component.input], [[], [], 0, undefined])
  const whole = new Set(['a'])
  t.equal(component.digestOf(whole), whole)
  t.end()
})

test('what the compiler could not see is refused', (t) => {
  const define =
    (change: object): (() => unknown) =>
    () =>
      defineComponent({ name: 'symbols', schema, state, on: {}, ...change })
  for (const name of ['', 'a/b', 'ä', '-a', 'x'.repeat(57)]) t.throws(define({ name }), /component name/)
  t.doesNotThrow(define({ name: 'x'.repeat(56) }))
  t.throws(define({ on: { Aded: () => {} } }), /symbols: on\.Aded is no event of its schema/)
  t.throws(define({ on: { Added: 1 } }), /symbols: on\.Added/)
  t.throws(define({ timers: { expire: {} } }), /timers\.expire/)
  t.throws(define({ effects: { Added: { after: 'later', run() {} } } }), /effects\.Added/)
  t.throws(define({ digestEvery: 1.5 }), /digestEvery/)
  t.throws(define({ state: {} }), /state must be a function/)
  const effects = { Added: { after: 'stable', run() {} } }
  t.throws(
    define({ hotHot: true, effects }),
    /symbols: hotHot is for handlers only; effects and input need one active replica/,
  )
  t.throws(define({ hotHot: true, input: async () => {} }), /symbols: hotHot is for handlers only/)
  t.doesNotThrow(define({ hotHot: true, effects: {} }))
  t.end()
})
