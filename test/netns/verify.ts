/**
 * The judgement over a run, from what is on the disks of all voters: one record, each command in it once and in order, everything
 * that was ever reported stable in it with the same bytes, and every effect under a key that is there.
 */
import { eventEpoch, eventTimeSubNs, eventTimeUs, WHOLE_MESSAGE } from '../../src/wire/event.js'
import { EFFECT_DONE, EPOCH_OPENED, effectDoneCodec, SESSION_STARTED } from '../../src/wire/runtime-events.js'
import { loadsOf, type RecordedEvent } from '../system/recorded.js'
import { addLoad } from '../system/tally.js'
import { LOADS_PER_MARK, MARKED } from './marker.js'
import type { StableNote } from './stable-notes.js'

/** The type of messages that only fill packets. */
export const BALLAST = 310
const PAYLOAD_AT = 20
/** Enough to know what is wrong. */
const MAX_PROBLEMS = 20

export interface Evidence {
  readonly session: string
  /** What each voter recorded. */
  readonly records: ReadonlyMap<string, readonly RecordedEvent[]>
  readonly notes: readonly StableNote[]
  /** Messages that the sender says have become stable events: 1 to this one, each once. */
  readonly messages: number
  /** The same of the second source. */
  readonly ballast: number
  /** Lines of the outside world: `key loads checksum`, of all replicas. */
  readonly effects: readonly string[]
}

/** @returns what is wrong, in words; empty where all is right */
export function problemsOf(evidence: Evidence): string[] {
  const problems: string[] = []
  const [first, ...others] = evidence.records
  if (first === undefined) return ['there is no record']
  const [name, events] = first
  for (const [other, theirs] of others) compare(name, events, other, theirs, problems)
  checkOrder(events, problems)
  checkNumbers('message', loadsOf(events), evidence.messages, problems)
  checkNumbers('ballast', ballastOf(events), evidence.ballast, problems)
  checkNotes(events, evidence.notes, problems)
  checkMarks(events, problems)
  checkEffects(events, evidence, problems)
  return problems.slice(0, MAX_PROBLEMS)
}

function compare(
  name: string,
  ours: readonly RecordedEvent[],
  other: string,
  theirs: readonly RecordedEvent[],
  problems: string[],
): void {
  if (ours.length !== theirs.length) problems.push(`${name} has ${ours.length} events, ${other} has ${theirs.length}`)
  const differs = ours.findIndex(
    ({ bytes }, i) => i < theirs.length && !bytes.equals(theirs[i]?.bytes ?? Buffer.alloc(0)),
  )
  if (differs >= 0) {
    const [a, b] = [ours[differs], theirs[differs]]
    problems.push(`event ${differs + 1}: ${name} has ${text(a)}, ${other} has ${text(b)}`)
  }
}

/** Sequences without hole, epochs and times that never fall, epochs that begin with what opens them, and no command twice. */
function checkOrder(events: readonly RecordedEvent[], problems: string[]): void {
  const sources = new Map<number, number>()
  let epoch = 0
  let timeNs = 0n
  events.forEach((event, i) => {
    const { sequence, source, sourceSequence, type, bytes } = event
    if (sequence !== i + 1) problems.push(`event ${i + 1} is numbered ${sequence}`)
    const born = eventEpoch(bytes, 0)
    const isOpening = type === EPOCH_OPENED || type === SESSION_STARTED
    if (born < epoch || born > epoch !== isOpening) problems.push(`${text(event)} follows epoch ${epoch}`)
    epoch = Math.max(epoch, born)
    const atNs = BigInt(eventTimeUs(bytes, 0)) * 1000n + BigInt(eventTimeSubNs(bytes, 0))
    if (atNs < timeNs) problems.push(`the time falls at ${text(event)}`)
    timeNs = atNs
    const expected = (sources.get(source) ?? 0) + 1
    if (sourceSequence !== expected) problems.push(`${text(event)} is number ${expected} of its source`)
    sources.set(source, Math.max(expected, sourceSequence))
    if ((bytes[19] ?? 0) !== WHOLE_MESSAGE) problems.push(`${text(event)} is a fragment`)
  })
}

/** What one source has sent is there once, in its order. */
function checkNumbers(what: string, numbers: readonly number[], sent: number, problems: string[]): void {
  if (numbers.length !== sent) problems.push(`${what}: ${sent} were sent, ${numbers.length} are recorded`)
  const wrong = numbers.findIndex((n, i) => n !== i + 1)
  if (wrong >= 0) problems.push(`${what} ${wrong + 1} is ${numbers[wrong]}`)
}

function ballastOf(events: readonly RecordedEvent[]): number[] {
  return events.filter(({ type }) => type === BALLAST).map(({ bytes }) => bytes.readUInt32BE(bytes.length - 4))
}

function checkNotes(events: readonly RecordedEvent[], notes: readonly StableNote[], problems: string[]): void {
  if (notes.length < events.length / 4) problems.push(`only ${notes.length} of ${events.length} were noted as stable`)
  for (const { sequence, reign, bytes } of notes) {
    const event = events[sequence - 1]
    if (event?.bytes.equals(bytes) === true) continue
    const reported = text({ ...header(bytes), sequence, bytes })
    problems.push(`reported stable in epoch ${reign}: ${reported}; recorded: ${text(event)}`)
  }
}

/** The component said what follows from the loads before, each time once. */
function checkMarks(events: readonly RecordedEvent[], problems: string[]): void {
  const tally = { loads: 0, checksum: 0 }
  const due: string[] = []
  for (const [i, n] of loadsOf(events).entries()) {
    addLoad(tally, n)
    if ((i + 1) % LOADS_PER_MARK === 0) due.push(`${tally.loads} ${tally.checksum}`)
  }
  const marks = events.filter(({ type }) => type === MARKED).map(markOf)
  if (marks.length !== due.length) problems.push(`${due.length} marks are due, ${marks.length} are recorded`)
  const wrong = marks.findIndex((mark, i) => mark !== due[i])
  if (wrong >= 0) problems.push(`mark ${wrong + 1} is ${marks[wrong]}, not ${due[wrong]}`)
}

/** Each mark has left the system, under its own key, and the record says that it has. */
function checkEffects(events: readonly RecordedEvent[], { session, effects }: Evidence, problems: string[]): void {
  const done = new Set<number>()
  for (const { type, bytes } of events) {
    if (type !== EFFECT_DONE) continue
    const body = effectDoneCodec.decode(bytes.subarray(PAYLOAD_AT))
    if (body !== undefined) done.add(body.sequence)
  }
  const owed = new Map<string, string>()
  for (const event of events) {
    if (event.type !== MARKED) continue
    owed.set(keyOf(session, event), markOf(event))
    if (!done.has(event.sequence)) problems.push(`the effect of ${text(event)} is not recorded as done`)
  }
  const seen = new Set<string>()
  for (const line of effects) {
    const [key = '', ...rest] = line.split(' ')
    seen.add(key)
    if (owed.get(key) !== rest.join(' ')) problems.push(`effect ${line}: the record has ${owed.get(key) ?? 'none'}`)
  }
  for (const key of owed.keys()) if (!seen.has(key)) problems.push(`effect ${key} never ran`)
}

/** `session/sequence/index`, and the epoch of birth where that is not the first. */
function keyOf(session: string, { sequence, bytes }: RecordedEvent): string {
  const epoch = eventEpoch(bytes, 0)
  return `${session}/${sequence}/0${epoch > 1 ? `/${epoch}` : ''}`
}

function markOf({ bytes }: RecordedEvent): string {
  return `${bytes.readUInt32BE(PAYLOAD_AT)} ${bytes.readUInt32BE(PAYLOAD_AT + 4)}`
}

const header = (bytes: Buffer) => ({
  type: bytes.readUInt16BE(0),
  source: bytes.readUInt16BE(2),
  sourceSequence: bytes.readUInt32BE(4),
})

function text(event: RecordedEvent | undefined): string {
  if (event === undefined) return 'nothing'
  const { sequence, type, source, sourceSequence, bytes } = event
  return `event ${sequence} (type ${type}, source ${source}/${sourceSequence}, epoch ${eventEpoch(bytes, 0)})`
}
