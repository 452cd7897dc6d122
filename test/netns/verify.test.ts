/** The judges of the suite can say no: each damage to a good run is found, and named. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { WHOLE_MESSAGE, writeCommandHeader } from '../../src/wire/event.js'
import { EFFECT_DONE, EPOCH_OPENED, effectDoneCodec, SESSION_STARTED } from '../../src/wire/runtime-events.js'
import type { RecordedEvent } from '../system/recorded.js'
import { LOAD, tallyOf } from '../system/tally.js'
import { LOADS_PER_MARK, MARKED } from './marker.js'
import { readNotes, StableNotes } from './stable-notes.js'
import { type Evidence, problemsOf } from './verify.js'

const HEADER_BYTES = 20
const SESSION = 'JUDGE'
const numbers = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, 4 * i)
  return bytes
}

/** A record that grows by one event at a time, each as a sequencer would number it. */
class Record {
  readonly events: RecordedEvent[] = []
  readonly #next = new Map<number, number>()

  add(type: number, source: number, epoch: number, payload: Uint8Array): void {
    const sourceSequence = this.#next.get(source) ?? 1
    this.#next.set(source, sourceSequence + 1)
    const sequence = this.events.length + 1
    const bytes = Buffer.alloc(HEADER_BYTES + payload.length)
    writeCommandHeader(bytes, 0, type, source, sourceSequence, WHOLE_MESSAGE)
    bytes.writeBigUInt64BE(BigInt(sequence) * 1000n, 8)
    bytes.writeUInt16BE(epoch, 16)
    bytes.set(payload, HEADER_BYTES)
    this.events.push({ sequence, type, source, sourceSequence, bytes })
  }
}

/** Loads, then a mark whose effect is done, then a second epoch with one more load. */
function goodRun(): Evidence {
  const record = new Record()
  record.add(SESSION_STARTED, 0, 1, new Uint8Array(0))
  for (let n = 1; n <= LOADS_PER_MARK; n++) record.add(LOAD, 1, 1, numbers(n))
  const { loads, checksum } = tallyOf(LOADS_PER_MARK)
  record.add(MARKED, 2, 1, numbers(loads, checksum))
  const mark = record.events.length
  record.add(EPOCH_OPENED, 0, 2, new Uint8Array(0))
  record.add(LOAD, 1, 2, numbers(LOADS_PER_MARK + 1))
  const done = { component: 'marker', sequence: mark, index: 0, epoch: 1 }
  record.add(EFFECT_DONE, 3, 2, effectDoneCodec.encode(done))
  const { events } = record
  return {
    session: SESSION,
    records: new Map([
      ['a', events],
      ['b', [...events]],
    ]),
    notes: events.map(({ sequence, bytes }) => ({ sequence, reign: 1, bytes })),
    messages: LOADS_PER_MARK + 1,
    ballast: 0,
    effects: [`${SESSION}/${mark}/0 ${loads} ${checksum}`],
  }
}

const good = goodRun()
const events = good.records.get('a') ?? []
const both = (changed: readonly RecordedEvent[]): Partial<Evidence> => ({ records: new Map([['a', changed]]) })
/** The event at a place, changed. */
const changed = (at: number, change: Partial<RecordedEvent>, patch?: (bytes: Buffer) => void): RecordedEvent[] =>
  events.map((event, i) => {
    if (i !== at) return event
    const bytes = Buffer.from(event.bytes)
    patch?.(bytes)
    return { ...event, bytes, ...change }
  })
const repeated = (at: number): RecordedEvent[] =>
  events.flatMap((event, i) => (i === at ? [event, event] : [event])).map((event, i) => ({ ...event, sequence: i + 1 }))
const without = (at: number): RecordedEvent[] =>
  events.filter((_, i) => i !== at).map((event, i) => ({ ...event, sequence: i + 1 }))
const [first] = events

const DAMAGES: readonly (readonly [string, Partial<Evidence>, RegExp])[] = [
  [
    'another byte at one voter',
    { records: new Map([...good.records, ['c', changed(9, {}, (bytes) => bytes.writeUInt8(99, 23))]]) },
    /^event 10: a has event 10 .*, c has event 10/,
  ],
  ['a shorter record at one voter', { records: new Map([...good.records, ['c', events.slice(0, -1)]]) }, /c has 254/],
  ['a command twice', both(repeated(5)), /is number 6 of its source/],
  ['a command missing', both(without(5)), /is number 5 of its source/],
  ['a hole in the sequences', both(changed(7, { sequence: 9 })), /event 8 is numbered 9/],
  ['an epoch that nothing opened', both(changed(4, {}, (bytes) => bytes.writeUInt16BE(2, 16))), /follows epoch 1/],
  ['an epoch that falls', both(changed(253, {}, (bytes) => bytes.writeUInt16BE(1, 16))), /follows epoch 2/],
  ['a time that falls', both(changed(4, {}, (bytes) => bytes.writeBigUInt64BE(1n, 8))), /the time falls at event 5 /],
  ['messages in another order', both(changed(4, {}, (bytes) => bytes.writeUInt32BE(9, 20))), /message 4 is 9/],
  ['a message that the sender counted and nobody has', { messages: 999 }, /999 were sent, 251 are recorded/],
  ['ballast that is missing', { ballast: 3 }, /ballast: 3 were sent, 0 are recorded/],
  [
    'an event that was stable and is another one now',
    { notes: good.notes.map((note, i) => (i === 8 ? { ...note, bytes: Buffer.alloc(20) } : note)) },
    /reported stable in epoch 1: event 9 .*; recorded: event 9/,
  ],
  [
    'an event that was stable and is gone',
    { notes: [...good.notes, { sequence: 300, reign: 1, bytes: first?.bytes ?? Buffer.alloc(20) }] },
    /recorded: nothing/,
  ],
  ['nothing noted', { notes: [] }, /only 0 of 255 were noted/],
  ['a mark of another sum', both(changed(251, {}, (bytes) => bytes.writeUInt32BE(1, 24))), /mark 1 is 250 1, not 250/],
  ['a mark too many', both([...events, { ...(events[251] ?? events[0]!), sequence: 255 }]), /1 marks are due, 2/],
  ['an effect that never ran', { effects: [] }, /effect JUDGE\/252\/0 never ran/],
  [
    'an effect under a key that nobody owes',
    { effects: [...good.effects, `${SESSION}/77/0 1 1`] },
    /the record has none/,
  ],
  [
    'an effect with other contents',
    { effects: [`${SESSION}/252/0 250 7`] },
    /effect JUDGE\/252\/0 250 7: the record has/,
  ],
  ['an effect that is not recorded as done', both(events.slice(0, -1)), /event 252 .* is not recorded as done/],
]

test('a good run has no problem', (t) => {
  t.strictSame(problemsOf(good), [])
  t.end()
})

for (const [name, damage, expected] of DAMAGES) {
  test(`found: ${name}`, (t) => {
    t.match(problemsOf({ ...good, ...damage }).join('\n'), expected)
    t.end()
  })
}

function packet(from: number, ...blocks: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(20)
  header.write(SESSION.padEnd(10), 'latin1')
  header.writeBigUInt64BE(BigInt(from), 10)
  header.writeUInt16BE(blocks.length, 18)
  return Buffer.concat([
    header,
    ...blocks.flatMap((block) => [Buffer.from([block.length >>> 8, block.length & 0xff]), block]),
  ])
}

function heartbeat(epoch: number, stableSequence: number, epochTable = [{ epoch: 1, sequence: 1 }]) {
  return {
    ...{ epoch, epochTable, stableSequence, nextSequence: stableSequence + 1, state: 'open' },
    ...{ publishedIsStable: false, held: false, requestPort: 0, counters: {} },
  }
}

test('what is reported stable is noted once, early or late, each branch for itself, and is read back', (t) => {
  const written: Buffer[] = []
  const violations: string[] = []
  const notes = new StableNotes(
    SESSION,
    (note) => written.push(note),
    (text) => violations.push(text),
  )
  const [one, two, three] = events.map(({ bytes }) => bytes)
  if (one === undefined || two === undefined || three === undefined) throw new Error('too few events')
  const other = Buffer.from(three)
  other.writeUInt16BE(2, 16)
  notes.onPacket(packet(1, one, two))
  notes.onHeartbeat(7, heartbeat(1, 1))
  notes.onHeartbeat(7, heartbeat(1, 3))
  notes.onPacket(packet(3, three))
  notes.onPacket(packet(3, three))
  t.strictSame(violations, [])
  const table = [
    { epoch: 1, sequence: 1 },
    { epoch: 2, sequence: 3 },
  ]
  notes.onHeartbeat(8, heartbeat(2, 3, table))
  notes.onPacket(packet(3, other))
  const directory = mkdtempSync(join(tmpdir(), 'seqcast-notes-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'notes'), Buffer.concat(written))
  t.strictSame(readNotes(join(directory, 'notes')), [
    { sequence: 1, reign: 1, bytes: one },
    { sequence: 2, reign: 1, bytes: two },
    { sequence: 3, reign: 1, bytes: three },
    { sequence: 3, reign: 2, bytes: other },
  ])
  t.end()
})

test('two sequencers of one epoch, and two events of one number and epoch, are violations', (t) => {
  const violations: string[] = []
  const notes = new StableNotes(
    SESSION,
    () => {},
    (text) => violations.push(text),
  )
  notes.onHeartbeat(7, heartbeat(1, 0))
  notes.onHeartbeat(8, heartbeat(1, 0))
  const [one] = events
  const twin = Buffer.from(one?.bytes ?? Buffer.alloc(20))
  twin.writeUInt16BE(77, 0)
  notes.onPacket(packet(1, one?.bytes ?? Buffer.alloc(20)))
  notes.onPacket(packet(1, twin))
  t.strictSame(violations, ['7 and 8 both reign in epoch 1', 'two events 1 of epoch 1'])
  t.end()
})
