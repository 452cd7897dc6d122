/** The workload's model is shown streams that are not what was asked; and the outside source one that forgets. */
import { test } from 'tap'
import { OutsideSource } from '../../src/sim/outside-source.js'
import { WorkloadModel } from '../../src/sim/workload-model.js'
import {
  amountOf,
  EXPIRED,
  FED,
  NOTE,
  NOTE_EVERY,
  noteOf,
  REPLY,
  REQUEST,
  TALLY,
  workloadSchema,
} from '../../src/sim/workload-schema.js'
import { type EventParts, event, violationOf } from './judge-kit.js'

type Item = EventParts

const request = (key: number, amount = amountOf(key), timeUs = 1_000): Item => ({
  type: REQUEST,
  timeUs,
  payload: workloadSchema.encode('Request', { key, amount }).slice(),
})
const reply = (key: number, total: number, count = key): Item => ({
  type: REPLY,
  payload: workloadSchema.encode('Reply', { key, total, count, lot: 1 }).slice(),
})
const expiry = (key: number, timeUs: number): Item => ({
  type: EXPIRED,
  timeUs,
  payload: workloadSchema.encode('Expired', { key, open: 0 }).slice(),
})
const fed = (life: number, key: number): Item => ({
  type: FED,
  payload: workloadSchema.encode('Fed', { life, key }).slice(),
})

function verdict(...items: Item[]): string {
  const model = new WorkloadModel()
  return violationOf(() => {
    for (const [at, item] of items.entries()) model.stableEvent(at + 1, event(item), 'SIM')
  })
}

const total = (through: number): number => {
  let sum = 0
  for (let key = 1; key <= through; key++) sum += amountOf(key)
  return sum
}

test('requests come once and in order, as they were asked', (t) => {
  t.equal(verdict(request(1), request(2), request(3)), 'none')
  t.equal(verdict(request(1), request(2), request(2)), 'G3 a command became two events')
  t.equal(verdict(request(1), request(3)), 'G2 out of order')
  t.equal(verdict(request(1, amountOf(1) + 1)), 'G1 not what was asked')
  t.end()
})

test('each is answered once, with the sum of all', (t) => {
  t.equal(verdict(request(1), request(2), reply(1, total(1)), reply(2, total(2))), 'none')
  t.equal(verdict(request(1), reply(1, total(1)), reply(1, total(1))), 'G3 a command became two events')
  t.equal(verdict(request(1), request(2), reply(2, total(2))), 'G2 out of order')
  t.equal(verdict(reply(1, total(1))), 'G1 not what was asked')
  t.equal(verdict(request(1), reply(1, total(1) + 1)), 'G1 not what was asked')
  t.equal(verdict(request(1), reply(1, total(1), 2)), 'G1 not what was asked')
  t.end()
})

test('an expiry comes once, and in its time', (t) => {
  t.equal(verdict(request(1), expiry(1, 41_000)), 'none')
  t.equal(verdict(request(1), expiry(1, 40_000)), 'G1 not what was asked')
  t.equal(verdict(request(1), expiry(2, 41_000)), 'G1 not what was asked')
  t.equal(verdict(request(1), expiry(1, 41_000), expiry(1, 41_000)), 'G3 a command became two events')
  t.end()
})

test('a tally comes once, after the replies that it counts', (t) => {
  const tally = (replies: number, key = replies): Item => ({
    type: TALLY,
    payload: workloadSchema.encode('Tally', { key, replies }).slice(),
  })
  const all = [1, 2, 3, 4].flatMap((key) => [request(key), reply(key, total(key))])
  t.equal(verdict(...all, tally(4)), 'none')
  t.equal(verdict(...all, tally(4), tally(4)), 'G3 a command became two events')
  t.equal(verdict(...all, tally(8)), 'G2 out of order')
  t.equal(verdict(...all.slice(0, -1), tally(4)), 'G1 not what was asked')
  t.equal(verdict(...all, tally(4, 3)), 'G1 not what was asked')
  t.end()
})

test('notes are whole', (t) => {
  const whole = workloadSchema.encode('Note', { key: NOTE_EVERY, text: noteOf(NOTE_EVERY) }).slice()
  const part = (from: number, to: number, flags: number): Item => ({
    type: NOTE,
    flags,
    payload: whole.slice(from, to),
  })
  t.equal(verdict(part(0, 1_000, 1), part(1_000, whole.length, 2)), 'none')
  t.equal(verdict(part(0, 500, 1), part(500, 1_000, 0), part(1_000, whole.length, 2)), 'none')
  t.equal(verdict(part(0, 500, 1), part(1_000, whole.length, 2)), 'G1 not what was asked')
  t.equal(verdict(part(500, 1_000, 0)), 'G1 not what was asked')
  const changed = whole.slice()
  changed[900] = 1 + (changed[900] ?? 0)
  t.equal(verdict({ type: NOTE, payload: changed }), 'G1 not what was asked')
  t.end()
})

test('of a life of the outside source there is a beginning without holes', (t) => {
  t.equal(verdict(fed(1, 1), fed(1, 2), fed(2, 1), fed(2, 2)), 'none')
  t.equal(verdict(fed(1, 1), fed(1, 3)), 'G2 out of order')
  t.equal(verdict(fed(1, 1), fed(1, 1)), 'G3 a command became two events')
  t.end()
})

test('what the outside source has let go of is stable', async (t) => {
  const model = new WorkloadModel()
  const client = { pending: 0, isFull: false, send: (): void => void client.pending++ }
  const options = { untilUs: 3, everyUs: 1 }
  let nowUs = 0
  const source = new OutsideSource('feed', model, () => 0, options)
  await source.run(client, {
    nowUs: () => nowUs,
    sleep: async () => {
      nowUs++
    },
  })
  t.equal(source.missing, 3)
  t.equal(
    violationOf(() => source.check()),
    'none',
  )
  client.pending = 2
  t.equal(
    violationOf(() => source.check()),
    'G4 let go before it was stable',
  )
  model.stableEvent(1, event(fed(1, 1)), 'SIM')
  t.equal(
    violationOf(() => source.check()),
    'none',
  )
  t.equal(source.missing, 2)
  source.stopped({ node: 'feed' })
  t.equal(source.missing, 0, 'of a life that is over nothing is missing')
})
