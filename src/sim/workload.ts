/**
 * What a simulated system does all day: an outside world that asks, `gateway` that brings the requests in and has an effect for each
 * answer, `engine` that answers, takes notes and lets requests expire, `tally` that counts in two active replicas. Small, and with one of everything: input that resumes
 * after the last key, timers, randomness, fragments, effects at both levels, digests, and a state that is carried over from session to session.
 */
import { type Component, defineComponent, type Port } from '../component/definition.js'
import type { Prng } from '../core/prng.js'
import type { SimComponent, SimTime } from './parts.js'
import { WorkloadModel } from './workload-model.js'
import {
  amountOf,
  EXPIRY_MS,
  NOTE_EVERY,
  noteOf,
  workloadSchema as schema,
  sumOf,
  TALLY_EVERY,
  type WorkloadMessages,
} from './workload-schema.js'

export interface WorkloadOptions {
  /** How many requests the outside world has. */
  readonly requests: number
  /** It has them spread over this time. */
  readonly spanUs: number
}

export interface SimWorkload {
  readonly components: readonly SimComponent[]
  /** To be told by the chronicle. */
  readonly model: WorkloadModel
  /** All that was asked is in the stable stream, and so is all that follows from it. */
  isComplete(): boolean
}

const DIGEST_EVERY = 16
const LONGEST_EFFECT_US = 20_000

export function createWorkload(prng: Prng, options: WorkloadOptions): SimWorkload {
  const model = new WorkloadModel()
  const { requests } = options
  return {
    components: [
      { name: 'gateway', replicas: 2, create: (_process, time) => gateway(prng, options, time) },
      { name: 'engine', replicas: 2, create: (_process, time) => engine(prng, time) },
      { name: 'tally', replicas: 2, hotHot: true, create: tally },
    ],
    model,
    isComplete: () =>
      model.requests === requests &&
      model.replies === requests &&
      model.expired === requests &&
      model.notes === Math.floor(requests / NOTE_EVERY) &&
      model.tallies === Math.floor(requests / TALLY_EVERY),
  }
}

interface GatewayState {
  lastKey: number
  answered: number
  sum: number
}

function gateway(prng: Prng, options: WorkloadOptions, time: SimTime): Component {
  return defineComponent({
    name: 'gateway',
    schema,
    state: (): GatewayState => ({ lastKey: 0, answered: 0, sum: 0 }),
    on: {
      Request(state, { payload }) {
        state.lastKey = payload.key
      },
      Reply(state, { payload }) {
        state.answered++
        state.sum = sumOf(state.sum, payload.total)
      },
      GatewayCarried(state, { payload }) {
        state.lastKey = payload.lastKey
        state.answered = payload.answered
        state.sum = payload.sum
      },
    },
    seed: ({ lastKey, answered, sum }, seed) => seed.send('GatewayCarried', { lastKey, answered, sum }),
    effects: { Reply: { after: 'stable', run: () => lasting(prng, time) } },
    input: (port, state) => ask(port, state.lastKey, prng, options, time),
    digestEvery: DIGEST_EVERY,
  })
}

/** Requests come singly and in bursts. */
async function ask(
  port: Port<WorkloadMessages>,
  lastKey: number,
  prng: Prng,
  { requests, spanUs }: WorkloadOptions,
  time: SimTime,
): Promise<void> {
  const pauseUs = Math.max(1, Math.floor(spanUs / requests))
  for (let key = lastKey + 1; key <= requests; key++) {
    await port.ready()
    if (port.signal.aborted) return
    port.send('Request', { key, amount: amountOf(key) })
    if (prng.chance(0.7)) await time.sleep(prng.integer(1, Math.floor(pauseUs * 2.8)))
    if (port.signal.aborted) return
  }
}

interface EngineState {
  count: number
  total: number
  open: Map<number, number>
}

function engine(prng: Prng, time: SimTime): Component {
  return defineComponent({
    name: 'engine',
    schema,
    state: (): EngineState => ({ count: 0, total: 0, open: new Map() }),
    on: {
      Request(state, { payload: { key, amount } }, ctx) {
        state.count++
        state.total = (state.total + amount) >>> 0
        state.open.set(key, amount)
        ctx.send('Reply', { key, total: state.total, count: state.count, lot: Math.floor(ctx.random() * 1_000_000) })
        if (key % NOTE_EVERY === 0) ctx.send('Note', { key, text: noteOf(key) })
        ctx.startTimer('expire', String(key), EXPIRY_MS)
      },
      EngineCarried(state, { payload }) {
        state.count = payload.count
        state.total = payload.total
      },
      OpenCarried(state, { payload: { key, amount, leftUs } }, ctx) {
        state.open.set(key, amount)
        ctx.startTimer('expire', String(key), Math.ceil(leftUs / 1_000))
      },
    },
    seed: ({ count, total, open }, seed) => {
      seed.send('EngineCarried', { count, total })
      for (const { key, dueUs } of seed.timers()) {
        const leftUs = Math.max(0, dueUs - seed.timeUs)
        seed.send('OpenCarried', { key: Number(key), amount: open.get(Number(key)) ?? 0, leftUs })
      }
    },
    timers: {
      expire(state, key, ctx) {
        state.open.delete(Number(key))
        ctx.send('Expired', { key: Number(key), open: state.open.size })
      },
    },
    effects: { Request: { after: 'published', run: () => lasting(prng, time) } },
    digestEvery: DIGEST_EVERY,
  })
}

/** Both replicas send what they compute, and the sequencer removes the repeats. */
function tally(): Component {
  return defineComponent({
    name: 'tally',
    schema,
    hotHot: true,
    state: () => ({ replies: 0, lots: 0 }),
    on: {
      Reply(state, { payload: { key, lot } }, ctx) {
        state.replies++
        state.lots = (state.lots + lot) >>> 0
        if (state.replies % TALLY_EVERY === 0) ctx.send('Tally', { key, replies: state.replies })
      },
      TallyCarried(state, { payload }) {
        state.replies = payload.replies
        state.lots = payload.lots
      },
    },
    seed: ({ replies, lots }, seed) => seed.send('TallyCarried', { replies, lots }),
    digestEvery: DIGEST_EVERY,
  })
}

/** Half of the effects are over at once; the rest takes a while, in which the process may die. */
function lasting(prng: Prng, time: SimTime): Promise<void> | undefined {
  return prng.chance(0.5) ? undefined : time.sleep(prng.integer(100, LONGEST_EFFECT_US))
}
