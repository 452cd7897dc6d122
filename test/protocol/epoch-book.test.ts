/**
 * A session that has seen a thousand failovers: its heartbeats still fit a datagram, and everybody still knows which epoch a
 * sequence belongs to.
 */
import fc from 'fast-check'
import { test } from 'tap'
import { DEFAULT_DATAGRAM_BYTES } from '../../src/core/limits.js'
import { EpochBook } from '../../src/protocol/epoch-book.js'
import { EpochNotice } from '../../src/protocol/epoch-notice.js'
import { SEQUENCER_COUNTERS } from '../../src/protocol/sequencer-types.js'
import { type EpochTableEntry, encodeControl, type SequencerHeartbeat } from '../../src/wire/control.js'
import { hashEntries } from '../../src/wire/epoch-entries.js'
import { Bench } from './sequencer-kit.js'

function table(length: number, step = 7_000_000_000): EpochTableEntry[] {
  return Array.from({ length }, (_, i) => ({ epoch: 1 + i * 3, sequence: 1 + i * step }))
}

function heartbeat(notice: EpochNotice, epoch: number, withPage = true): SequencerHeartbeat {
  const rest = { publishedIsStable: false, state: 'open', held: false, requestPort: 7_712, counters: {} }
  return { ...rest, epoch, nextSequence: 2 ** 52, stableSequence: 2 ** 52, ...notice.tell(withPage) }
}

test('the heartbeat of a session with 1,000 epochs fits a datagram, with two dozen counters', (t) => {
  const entries = table(1_000)
  const notice = new EpochNotice(entries)
  const counters = Object.fromEntries(SEQUENCER_COUNTERS.slice(0, 24).map((name) => [name, 4_000_000_000]))
  for (let i = 0; i < 100; i++) {
    const body = { ...heartbeat(notice, 2_998), counters, lives: { a: 2 ** 52, b: 2 ** 52, c: 2 ** 52 } }
    const bytes = encodeControl({ session: 'ABCDEFGHIJ', sender: 2 ** 52, kind: 'sequencer', body })
    t.ok(bytes.length <= DEFAULT_DATAGRAM_BYTES, `${bytes.length} bytes`)
  }
  t.end()
})

test('a short table is told whole, as ever', (t) => {
  const entries = table(16)
  t.strictSame({ ...new EpochNotice(entries).tell(true) }, { epochTable: entries })
  const book = new EpochBook(() => [])
  const told = heartbeat(new EpochNotice(entries), 46)
  t.equal(book.complete(told), told)
  t.end()
})

test('who knows the older entries completes the table at once, from a log or from what was told before', (t) => {
  const entries = table(300)
  const notice = new EpochNotice(entries)
  const fromLog = new EpochBook(() => entries.slice(0, 290))
  t.strictSame(fromLog.complete(heartbeat(notice, 898, false))?.epochTable, entries)
  const book = new EpochBook(() => [])
  t.strictSame(book.complete(heartbeat(new EpochNotice(entries.slice(0, 16)), 46))?.epochTable, entries.slice(0, 16))
  for (let length = 17; length <= 300; length++) {
    const part = entries.slice(0, length)
    const told = heartbeat(new EpochNotice(part), part.at(-1)?.epoch ?? 0, false)
    t.strictSame(book.complete(told)?.epochTable, part, 'one more with each reign')
  }
  t.end()
})

test('who knows something else, or nothing, learns it page by page, and follows nothing before', (t) => {
  const entries = table(300)
  const notice = new EpochNotice(entries)
  const other = table(300, 6_000)
  for (const known of [[], other]) {
    const book = new EpochBook(() => known)
    let heard = 0
    for (let i = 0; i < 40 && heard === 0; i++) {
      t.equal(book.complete(heartbeat(notice, 898, false)), undefined)
      const whole = book.complete(heartbeat(notice, 898))
      if (whole === undefined) continue
      t.strictSame(whole.epochTable, entries)
      heard = i + 1
    }
    t.ok(heard > 0 && heard <= 18, `after ${heard} pages`)
    t.strictSame(book.complete(heartbeat(notice, 898, false))?.epochTable, entries, 'and keeps it')
  }
  t.end()
})

test('pages of another reign, or forged ones, never make a table that its hash does not confirm', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(299), { maxLength: 5 }), fc.integer({ min: 40, max: 300 }), (damaged, length) => {
      const entries = table(length)
      const notice = new EpochNotice(entries)
      const book = new EpochBook(() => [])
      for (let i = 0; i < 80; i++) {
        const told = heartbeat(notice, 898)
        const older = told.older?.map((entry, j) =>
          damaged.includes((told.olderFrom ?? 0) + j) && i < 25 ? { ...entry, sequence: entry.sequence + 1 } : entry,
        )
        const whole = book.complete({ ...told, ...(older === undefined ? {} : { older }) })
        if (whole !== undefined && JSON.stringify(whole.epochTable) !== JSON.stringify(entries)) return false
      }
      return book.complete(heartbeat(notice, 898)) !== undefined
    }),
    { numRuns: 30 },
  )
  const notice = new EpochNotice(table(60))
  const told = heartbeat(notice, 178)
  const hostile = [
    { tableOmitted: 4_000_000_000 },
    { olderFrom: 4_000_000_000 },
    { tableHash: 1 },
    { epochTable: [], tableOmitted: 5 },
    { older: [] },
  ]
  for (const lie of hostile) t.equal(new EpochBook(() => []).complete({ ...told, ...lie }), undefined)
  t.end()
})

test('the hash is FNV-1a over the entries as they are described', (t) => {
  t.equal(hashEntries([]), 0x811c9dc5)
  const bytes = Buffer.from('0001' + '0000000000000001' + '0203' + '001fffffffffff00', 'hex')
  let hash = 0x811c9dc5
  for (const byte of bytes) hash = Number((BigInt(hash ^ byte) * 0x01000193n) & 0xffffffffn)
  const entries = [
    { epoch: 1, sequence: 1 },
    { epoch: 0x203, sequence: 2 ** 53 - 256 },
  ]
  t.equal(hashEntries(entries), hash)
  t.end()
})

test('a sequencer of many epochs tells the newest, and the others in turn', (t) => {
  let bench = new Bench({ voters: ['a'] }).open()
  const all = [bench]
  for (let epoch = 2; epoch <= 40; epoch++) {
    const next = new Bench({ voters: ['a'], incarnation: 6 + epoch })
    for (const earlier of all) next.rebuildFrom(earlier)
    bench = next.open(epoch)
    all.push(bench)
  }
  const book = new EpochBook(() => [])
  let whole: SequencerHeartbeat | undefined
  for (let i = 0; i < 50 && whole === undefined; i++) {
    bench.advance(110_000).tick()
    const told = bench.control.at(-1)
    if (told?.kind === 'sequencer') whole = book.complete(told.body)
  }
  t.strictSame(
    whole?.epochTable,
    Array.from({ length: 40 }, (_, i) => ({ epoch: i + 1, sequence: i + 1 })),
  )
  t.end()
})
