/**
 * What must hold after all the kills, from the recording and from what the effects did outside: each command is one event, in
 * order, and each effect was done under one key of its own and is closed by one event.
 */
import { readFileSync } from 'node:fs'
import { replayComponent } from '../../src/replay/replay.js'
import { LmdbLogReader } from '../../src/store/lmdb-log-reader.js'
import { EVENT_HEADER_BYTES } from '../../src/wire/event.js'
import {
  ACTIVATED,
  type Activated,
  activatedCodec,
  EFFECT_DONE,
  effectDoneCodec,
} from '../../src/wire/runtime-events.js'
import { type RecordedEvent, readRecording } from '../system/recorded.js'
import { deskComponent, ORDER, REPLY } from './desk.js'
import type { Point } from './points.js'
import type { KillsOutcome } from './session.js'

export interface Verdict {
  readonly problems: readonly string[]
  readonly orders: number
  readonly events: number
  /** Commands that their replica had decided and not sent, or reported and not sent: each was sent by another one. */
  readonly sentBySuccessors: number
  readonly effects: number
  readonly effectsRepeated: number
  /** Takeovers from replicas that nobody had killed. */
  readonly needless: number
  readonly droppedBySequencer: number
}

interface Taken extends Activated {
  readonly sequence: number
}

export async function judge(outcome: KillsOutcome): Promise<Verdict> {
  const { world, takeovers, ledger } = outcome
  const problems: string[] = []
  const directory = world.storeDirectory('a')
  const { events } = await readRecording(directory, world.session)
  const orders = sequencesOf(events, ORDER)
  const replies = sequencesOf(events, REPLY)
  problems.push(...inOrder('order', orders), ...inOrder('reply', replies))
  if (replies.length !== orders.length) problems.push(`${orders.length} orders, ${replies.length} replies`)
  const activations = events.flatMap((event): Taken[] => {
    const decoded = event.type === ACTIVATED ? activatedCodec.decode(payloadOf(event)) : undefined
    return decoded === undefined ? [] : [{ ...decoded, sequence: event.sequence }]
  })
  activations.forEach(({ term }, i) => {
    if (term !== i + 1) problems.push(`the ${i + 1}th activation is term ${term}`)
  })
  const killed = new Set(takeovers.map(({ death }) => death.instance))
  const lastKilled = activations.findLastIndex(({ instance }) => killed.has(instance))
  const needless = activations.slice(0, lastKilled + 1).filter(({ instance }) => !killed.has(instance)).length
  const effects = judgeEffects(world.session, events, readFileSync(ledger, 'utf8'), problems)
  const sentBySuccessors = judgeDeaths(outcome, activations, orders, replies, effects.times, problems)
  problems.push(...(await replayProblems(directory, world.session)))
  const { sequencerCounters: counters } = outcome
  return {
    problems,
    orders: orders.length,
    events: events.length,
    sentBySuccessors,
    effects: effects.times.size,
    effectsRepeated: [...effects.times.values()].filter((times) => times > 1).length,
    needless,
    droppedBySequencer: (counters['repeated-commands'] ?? 0) + (counters['closed-source'] ?? 0),
  }
}

const payloadOf = ({ bytes }: RecordedEvent): Buffer => bytes.subarray(EVENT_HEADER_BYTES)

/** The sequence of each event of a type, and the number that it carries. */
function sequencesOf(events: readonly RecordedEvent[], type: number): { n: number; sequence: number }[] {
  return events
    .filter((event) => event.type === type)
    .map((event) => ({ n: payloadOf(event).readUInt32BE(0), sequence: event.sequence }))
}

function inOrder(what: string, numbers: readonly { n: number }[]): string[] {
  const wrong = numbers.findIndex(({ n }, i) => n !== i + 1)
  return wrong < 0 ? [] : [`${what} ${wrong + 1} is number ${numbers[wrong]?.n}`]
}

/** Each effect under one key, which is its event's, and closed once. @returns how often each was done, by its event */
function judgeEffects(
  session: string,
  events: readonly RecordedEvent[],
  ledger: string,
  problems: string[],
): { times: Map<number, number> } {
  const done = new Map<number, number>()
  for (const event of events) {
    if (event.type !== EFFECT_DONE) continue
    const sequence = effectDoneCodec.decode(payloadOf(event))?.sequence ?? 0
    done.set(sequence, (done.get(sequence) ?? 0) + 1)
  }
  const times = new Map<number, number>()
  const numbers = new Map(events.map((event) => [`${session}/${event.sequence}/0`, event]))
  for (const line of ledger.split('\n')) {
    if (line === '') continue
    const [kind = '', n = '', key = ''] = line.split(' ')
    const event = numbers.get(key)
    const type = kind === 'published' ? ORDER : REPLY
    if (event?.type !== type || payloadOf(event).readUInt32BE(0) !== Number(n)) {
      problems.push(`the effect of ${kind} ${n} was done under ${key}, which is not the key of its event`)
    } else times.set(event.sequence, (times.get(event.sequence) ?? 0) + 1)
  }
  for (const { type, sequence } of events) {
    if (type !== ORDER && type !== REPLY) continue
    if (!times.has(sequence)) problems.push(`the effect of event ${sequence} was never done`)
    if (done.get(sequence) !== 1)
      problems.push(`the effect of event ${sequence} is closed ${done.get(sequence) ?? 0} times`)
    done.delete(sequence)
  }
  for (const sequence of done.keys()) problems.push(`an effect of event ${sequence} is closed, which has none`)
  return { times }
}

/** What each death left undone was done by somebody else. @returns how many commands were */
function judgeDeaths(
  { takeovers }: KillsOutcome,
  activations: readonly Taken[],
  orders: readonly { n: number; sequence: number }[],
  replies: readonly { n: number; sequence: number }[],
  times: ReadonlyMap<number, number>,
  problems: string[],
): number {
  let count = 0
  // A packet of an earlier death that came late may have brought a reply before its next owner could send it.
  const isBrought = (n: number): boolean =>
    takeovers.some(({ death }) => death.point === 'reply-late' && n <= death.n && n > death.n - 100)
  for (const { death } of takeovers) {
    const { instance, point, n } = death
    const own = activations.findIndex((one) => one.instance === instance)
    const next = activations[own + 1]
    if (own < 0 || next === undefined) {
      problems.push(`${instance} was killed at ${point}, and nobody has followed`)
      continue
    }
    const command = commandOf(point, n, orders, replies)
    if (command !== undefined && command.sequence < next.sequence) {
      if (!isBrought(n))
        problems.push(`${point} ${n} of ${instance} is event ${command.sequence}, before ${next.sequence}`)
    } else if (command !== undefined) count++
    const effect = effectOf(point, n, orders, replies)
    if (effect !== undefined && (times.get(effect) ?? 0) < 2) {
      problems.push(`the effect of event ${effect} was done and not recorded by ${instance}, and not repeated`)
    }
  }
  return count
}

/** The event of a command that was not sent. */
function commandOf(
  point: Point,
  n: number,
  orders: readonly { sequence: number }[],
  replies: readonly { sequence: number }[],
): { sequence: number } | undefined {
  if (point === 'order-decided') return orders[n - 1]
  return point === 'reply-decided' ? replies[n - 1] : undefined
}

/** The event whose effect was done, and not known to be done. */
function effectOf(
  point: Point,
  n: number,
  orders: readonly { sequence: number }[],
  replies: readonly { sequence: number }[],
): number | undefined {
  if (point === 'published-effect-done') return orders[n - 1]?.sequence
  if (point === 'stable-effect-done') return replies[n - 1]?.sequence
  return point === 'report-decided' ? n : undefined
}

async function replayProblems(directory: string, session: string): Promise<string[]> {
  const log = await LmdbLogReader.open(directory, session)
  const component = deskComponent({ effect() {} })
  const report = await replayComponent({ session, component, log })
  await log.close()
  if (report.ended !== 'complete') return [`the replay ${report.ended}: ${report.failure?.message}`]
  return report.digestsVerified > 0 ? [] : ['the replay has compared no digest']
}
