/**
 * A model of replicas that watch each other, with the real decisions of the sequencer: virtual time, lossy multicast, replicas that
 * die and come back, sleep, and hear nobody for a while. From one seed.
 */
import { Prng } from '../../src/core/prng.js'
import { ActivationTable } from '../../src/protocol/activation-table.js'
import { AdminDesk } from '../../src/protocol/admin-desk.js'
import { Succession } from '../../src/protocol/succession.js'
import type { ComponentStatus } from '../../src/wire/control.js'
import { ACTIVATED, activatedCodec } from '../../src/wire/runtime-events.js'

const MS = 1_000
const STEP_US = 2 * MS
const STATUS_US = 100 * MS
const COMPONENT = 'desk'
const FAULTS_US = 20_000 * MS
const CALM_US = 10_000 * MS

export interface RunOptions {
  readonly seed: number
  readonly replicas: number
  readonly faults: boolean
}

export interface RunResult {
  readonly violation: string | undefined
  takeovers: number
  /** Offers that came too late, and those that the sequencer knew better. */
  refusedTerm: number
  refusedHeard: number
  kills: number
  isolations: number
  pauses: number
  /** Before anything died, on a network without faults. */
  quietTakeovers: number
  takeoverMs: number
}

type Message = { readonly atUs: number; readonly run: () => void }

class Replica {
  readonly instance: string
  incarnation = 0
  succession: Succession | undefined
  term = 0
  active: { instance: string; incarnation: number } | undefined
  /** Events that were sequenced and that it has not read. */
  unread: { term: number; active: { instance: string; incarnation: number } }[] = []
  pausedUntilUs = 0
  isolatedUntilUs = 0
  statusUs = 0
  readyUs = 0

  constructor(instance: string) {
    this.instance = instance
  }

  get isUp(): boolean {
    return this.succession !== undefined
  }

  get isActive(): boolean {
    return this.isUp && this.active?.incarnation === this.incarnation
  }
}

export function runSuccession({ seed, replicas: size, faults }: RunOptions): RunResult {
  const random = new Prng(seed)
  const result = { takeovers: 0, refusedTerm: 0, refusedHeard: 0, kills: 0, isolations: 0, pauses: 0 }
  const more = { quietTakeovers: 0, takeoverMs: Number.NaN }
  const fail = (violation: string): RunResult => ({ violation: `seed ${seed}: ${violation}`, ...result, ...more })
  let nowUs = 1_000 * MS
  let incarnations = 0
  let nonces = 0
  let messages: Message[] = []
  let violation: string | undefined
  let lastDecisionUs = 0
  const history: { term: number; active: { instance: string; incarnation: number } }[] = []
  const activations = new ActivationTable()
  const replicas = Array.from({ length: size }, (_, i) => new Replica(String.fromCharCode(97 + i)))
  const isNoisy = (): boolean => faults && nowUs < FAULTS_US
  const send = (to: Replica | undefined, run: () => void): void => {
    if (isNoisy() && random.chance(0.1)) return
    const delayUs = random.integer(100, isNoisy() && random.chance(0.05) ? 300 * MS : 2 * MS)
    messages.push({ atUs: nowUs + delayUs, run: () => (to === undefined || nowUs >= to.isolatedUntilUs) && run() })
  }

  const desk = new AdminDesk(activations, 1_000, {
    sequence: (type, payload) => {
      const event = type === ACTIVATED ? activatedCodec.decode(payload) : undefined
      if (event === undefined) throw new Error('only activations here')
      if (event.term !== history.length + 1) violation = `term ${event.term} after ${history.length} decisions`
      const decision = { term: event.term, active: { instance: event.instance, incarnation: event.incarnation } }
      history.push(decision)
      for (const replica of replicas) replica.unread.push(decision)
      result.takeovers++
      lastDecisionUs = nowUs
      return history.length
    },
    endSession: () => 0,
    openSession: () => 0,
    isAwaited: () => false,
    retired: () => {},
  })

  const start = (replica: Replica): void => {
    replica.incarnation = ++incarnations
    replica.succession = new Succession({
      incarnation: replica.incarnation,
      standby: replica !== replicas[0],
      manual: false,
      rank: faults ? random.integer(0, 1) : 0,
      jitter: new Prng(random.nextU32()),
    })
    replica.term = 0
    replica.active = undefined
    replica.unread = [...history]
    replica.readyUs = nowUs + random.integer(10 * MS, isNoisy() ? 1_000 * MS : 50 * MS)
  }

  const speak = (replica: Replica): void => {
    const state = nowUs < replica.readyUs ? 'rewinding' : replica.isActive ? 'active' : 'standby'
    const { incarnation, instance } = replica
    const status: ComponentStatus = {
      ...{ component: COMPONENT, instance, state, reason: '', term: replica.term, nextSequence: 1 },
      ...{ digestSequence: 0, digest: new Uint8Array(0), outboxCommands: 0, counters: {} },
    }
    send(undefined, () => activations.heard(status, incarnation, nowUs))
    for (const other of replicas) {
      if (other !== replica) send(other, () => other.succession?.onStatus(incarnation, state, nowUs))
    }
  }

  const live = (replica: Replica): void => {
    const { succession, incarnation, instance } = replica
    if (succession === undefined || nowUs < replica.pausedUntilUs) return
    const hears = nowUs >= replica.isolatedUntilUs
    if (nowUs - replica.statusUs >= STATUS_US) {
      replica.statusUs = nowUs
      if (hears) speak(replica)
    }
    const isReady = nowUs >= replica.readyUs
    // Events come with a little delay, and not at all to who is cut off.
    const decision = hears && isReady && random.chance(0.5) ? replica.unread.shift() : undefined
    if (decision !== undefined) Object.assign(replica, decision)
    const { term, active } = replica
    const standing = { isReady: isReady && !replica.isActive, term, active, isPassivated: false, ownEvents: 0 }
    const reason = succession.look(standing, nowUs)
    if (reason === undefined) return
    const request = { component: COMPONENT, instance, incarnation, expectedTerm: term, reason }
    const nonce = ++nonces
    // Who hears nobody may still be heard, and the other way round.
    send(undefined, () => {
      const reply = desk.handle({ nonce, action: 'offer', ...request }, true, nowUs, nowUs)
      if (typeof reply === 'string') return
      if (reply.error === '' && history.at(-1)?.term !== term + 1)
        violation = `an offer of term ${term} won another one`
      if (reply.error === '') return
      if (reply.error.includes('was heard')) result.refusedHeard++
      else result.refusedTerm++
    })
  }

  const kill = (replica: Replica): void => {
    replica.succession = undefined
    replica.active = undefined
    result.kills++
  }

  const fault = (): void => {
    const replica = replicas[random.integer(0, size - 1)]
    if (replica === undefined) return
    const kind = random.integer(0, 2)
    if (kind === 0 && replica.isUp) {
      kill(replica)
      const backUs = random.integer(50, 2_000) * MS
      messages.push({ atUs: nowUs + backUs, run: () => replica.isUp || start(replica) })
    } else if (kind === 1) {
      replica.pausedUntilUs = nowUs + random.integer(50, 3_000) * MS
      result.pauses++
    } else {
      replica.isolatedUntilUs = nowUs + random.integer(50, 3_000) * MS
      result.isolations++
    }
  }

  const step = (): void => {
    nowUs += STEP_US
    const due = messages.filter(({ atUs }) => atUs <= nowUs)
    messages = messages.filter(({ atUs }) => atUs > nowUs)
    for (const { run } of due) run()
    // The sequencer's heartbeat; components without a sequencer have a test of their own.
    if (nowUs % STATUS_US < STEP_US) {
      for (const replica of replicas) send(replica, () => replica.succession?.onSequencer(nowUs))
    }
    for (const replica of replicas) live(replica)
    if (isNoisy() && random.chance(0.005)) fault()
  }
  const run = (untilUs: number): void => {
    while (nowUs < untilUs && violation === undefined) step()
  }

  for (const replica of replicas) start(replica)
  if (!faults) {
    run(8_000 * MS)
    more.quietTakeovers = result.takeovers - 1
    const active = replicas.find(({ isActive }) => isActive)
    if (active === undefined) return fail('nobody was active at all')
    const killedUs = nowUs
    kill(active)
    const before = history.length
    run(nowUs + 3_000 * MS)
    if (history.length !== before + 1) return fail(`${history.length - before} decisions after one death`)
    more.takeoverMs = (lastDecisionUs - killedUs) / MS
    return { violation, ...result, ...more }
  }
  run(FAULTS_US)
  for (const replica of replicas) {
    replica.isolatedUntilUs = 0
    if (!replica.isUp) start(replica)
  }
  run(FAULTS_US + CALM_US)
  if (violation !== undefined) return fail(violation)
  const active = replicas.filter(({ isActive }) => isActive)
  if (active.length !== 1) return fail(`${active.length} replicas are active in the end`)
  if (nowUs - lastDecisionUs < CALM_US / 2) return fail('the active replica still changes')
  return { violation, ...result, ...more }
}
