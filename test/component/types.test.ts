/**
 * What must not compile does not: the compiler is run over one module that uses the public API, in which each wrong line is
 * marked with the number of the error that it must give. Lines without a mark must compile.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { generateModule } from '../../src/component/generate.js'
import { SAMPLE_PROTO } from './sample-proto.js'

const USE = `
import { type Component, defineComponent } from 'seqcast'
import { schema } from './sample.js'

const state = () => ({ symbols: new Set<string>(), open: new Map<number, string>() })
const leg = { shares: 1, side: 'BUY' } as const

export const good = defineComponent({
  name: 'good',
  schema,
  state,
  on: {
    Nothing(state, event, ctx) {
      state.symbols.add(event.name)
      const time: number = event.timeUs + event.sequence + event.source + ctx.random()
      ctx.startTimer('expire', String(time), 30_000)
    },
    OrderPending(state, { payload: { orderId, symbol, side, note, legs } }, ctx) {
      if (!state.symbols.has(symbol)) return ctx.send('Nothing', {})
      state.open.set(orderId, note ?? side)
      legs.set('x', leg)
      ctx.cancelTimer('expire', symbol)
    },
    Quote: (state, { payload }) => state.symbols.add(payload.symbol),
  },
  timers: {
    expire(state, key, ctx) {
      if (state.symbols.delete(key)) ctx.startTimer('again', key, 1)
    },
    again: (state, key) => state.symbols.delete(key),
  },
  effects: { Quote: { after: 'stable', run: async ({ key, payload }) => key + payload.symbol } },
  input: async (port, state) => {
    await port.ready()
    if (state.symbols.size === 0 && !port.signal.aborted) port.send('Nothing', {})
  },
  digestOf: (state) => state.open,
  seed(state, seed) {
    for (const _ of state.symbols) seed.send('Nothing', {})
    const names: readonly ('expire' | 'again')[] = seed.timers().map(({ name }) => name)
    if (seed.predecessor === '' && seed.timeUs > 0 && names.length > 0) seed.send('Nothing', {})
  },
})
defineComponent({ name: 'x', schema, state, on: {}, seed: (_, seed) => seed.send('Nothin', {}) }) // TS2345
defineComponent({ name: 'x', schema, state, on: {}, seed: async () => {} }) // TS2322
export const plain: Component = good

defineComponent({ name: 'x', schema, state, on: {
  Nothin() {}, // TS2561
} })
defineComponent({ name: 'x', schema, state, on: {
  async Nothing() {}, // TS2322
} })
defineComponent({ name: 'x', schema, state, on: {
  Quote(state, event, ctx) {
    state.symbls // TS2551
    event.sequenc // TS2551
    event.payload.symbl // TS2551
    ctx.send('Nothin', {}) // TS2345
    ctx.send('Nothing', { a: 1 }) // TS2322
    ctx.send('Quote', { id: 1 }) // TS2740
    ctx.startTimer('expire', 'a', 1) // TS2345
    const side: 'BUY' = event.payload.side // TS2322
    event.sequence = 1 // TS2540
    return side
  },
} })
defineComponent({ name: 'x', schema, state, on: {
  Quote(_state, _event, ctx) {
    ctx.startTimer('expir', 'a', 1) // TS2345
    ctx.cancelTimer('expir', 'a') // TS2345
  },
}, timers: {
  expire(state, key, ctx) {
    state.open.set(key, '') // TS2345
    ctx.startTimer('other', key, 1) // TS2345
  },
} })
defineComponent({ name: 'x', schema, state, on: {}, effects: {
  Quot: { after: 'stable', run() {} }, // TS2561
} })
defineComponent({ name: 'x', schema, state, on: {}, effects: {
  Quote: { after: 'later', run() {} }, // TS2322
} })
defineComponent({ name: 'x', schema, state, on: {}, effects: {
  Quote: { after: 'stable', run: ({ payload }) => payload.symbl }, // TS2551
} })
defineComponent({ name: 'x', schema, state, on: {}, input: async (port) => {
  port.send('Nothin', {}) // TS2345
} })
`

test('a misspelt event, field or timer does not compile', async (t) => {
  const directory = t.testdir({
    'sample.proto': SAMPLE_PROTO,
    'use.ts': USE,
    'tsconfig.json': JSON.stringify({
      extends: join(process.cwd(), 'tsconfig.json'),
      compilerOptions: { noEmit: true, incremental: false, rootDir: '/', noUnusedLocals: false },
      include: ['*.ts'],
      exclude: [],
    }),
  })
  writeFileSync(join(directory, 'sample.ts'), await generateModule(join(directory, 'sample.proto')))
  // `env -u`: without the loaders that the test runner puts into every child process.
  const compiler = join(process.cwd(), 'node_modules/.bin/tsc')
  const args = ['-u', 'NODE_OPTIONS', compiler, '-p', directory, '--pretty', 'false']
  const { stdout, stderr } = spawnSync('env', args, { encoding: 'utf8' })
  const expected = USE.split('\n').flatMap((line, i) => {
    const code = /\/\/ (TS\d+)$/.exec(line)?.[1]
    return code === undefined ? [] : [`use.ts:${i + 1} ${code}`]
  })
  const found = [...stdout.matchAll(/([\w-]+\.ts)\((\d+),\d+\): error (TS\d+)/g)].map(
    (match) => `${match[1]}:${match[2]} ${match[3]}`,
  )
  t.ok(expected.length > 15)
  t.strictSame(found, expected, stderr)
})
