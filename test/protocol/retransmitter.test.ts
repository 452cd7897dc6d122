import fc from 'fast-check'
import { test } from 'tap'
import type { RunVisitor } from '../../src/protocol/event-log.js'
import { Retransmitter, type RetransmitterOptions } from '../../src/protocol/retransmitter.js'
import { bytes, type Packet, parse, requestPacket, SESSION } from './sequencer-kit.js'

/** A log of blocks, in runs of given lengths. */
class ListLog {
  readonly firstSequence: number
  readonly blocks: Uint8Array[]
  readonly runs: number[]

  constructor(blocks: Uint8Array[], runs: number[], firstSequence = 1) {
    this.blocks = blocks
    this.runs = runs
    this.firstSequence = firstSequence
  }

  get committedSequence(): number {
    return this.firstSequence + this.blocks.length - 1
  }

  read(from: number, maxPackets: number, visit: RunVisitor): number {
    let index = 0
    let visited = 0
    for (const run of this.runs) {
      const end = Math.min(index + run, this.blocks.length)
      const start = Math.max(index, from - this.firstSequence)
      index = end
      if (start >= end) continue
      if (visited++ === maxPackets) break
      const parts = this.blocks
        .slice(start, end)
        .flatMap((block) => [Buffer.from([block.length >> 8, block.length]), block])
      const run_ = Buffer.concat([Buffer.from('junk'), ...parts, Buffer.from('junk')])
      if (!visit(this.firstSequence + start, end - start, run_, 4, run_.length - 4, 0)) break
    }
    return index
  }
}

interface Answer {
  packet: Packet
  lengthBytes: number
  port: number
}

function bench(log: ListLog, options: Partial<RetransmitterOptions> = {}) {
  const answers: Answer[] = []
  const all: RetransmitterOptions = { session: SESSION, datagramBytes: 300, suppressUs: 2_000, ...options }
  const server = new Retransmitter(all, log, {
    sendAnswer: (packet, { port }) => answers.push({ packet: parse(packet), lengthBytes: packet.length, port }),
  })
  const ask = (from: number, count: number, nowUs = 0, port = 1, address = '127.0.0.1'): Answer[] => {
    answers.length = 0
    server.onRequest(requestPacket(from, count), { address, port }, nowUs)
    return [...answers]
  }
  return { server, ask }
}

/** A block of `length` bytes of payload; parse() takes it for an event. */
const block = (length: number, value: number): Uint8Array => bytes(20 + length, value & 0xff)
const blocks = (count: number, length = 10): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => block(length, i + 1))

test('an answer begins exactly where it was asked, has what was asked, and fits the datagram', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 242 }), { minLength: 1, maxLength: 80 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 80, maxLength: 80 }),
      fc.integer({ min: 1, max: 80 }),
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: 1_000_000 }),
      (lengths, runs, offset, count, firstSequence) => {
        const list = lengths.map((length, i) => block(length, i))
        const { ask } = bench(new ListLog(list, runs, firstSequence), { burstPackets: 1_000 })
        const from = firstSequence + Math.min(offset, list.length) - 1
        const got = ask(from, count)
        let next = from
        for (const { packet, lengthBytes } of got) {
          if (packet.sequence !== next || lengthBytes > 284)
            throw new Error(`packet at ${packet.sequence}, ${lengthBytes} bytes`)
          next += packet.count
        }
        const payloads = got.flatMap(({ packet }) => packet.blocks.map(({ payload }) => payload.length))
        const expected = lengths.slice(from - firstSequence, from - firstSequence + count)
        if (JSON.stringify(payloads) !== JSON.stringify(expected)) throw new Error(`${payloads} instead of ${expected}`)
        // No two neighbours would have fitted one packet.
        got.slice(1).forEach(({ packet }, i) => {
          const first = 22 + packet.blocks[0]!.payload.length
          if (got[i]!.lengthBytes + first <= 284) throw new Error('packets are not filled')
        })
      },
    ),
    { numRuns: 300 },
  )
  t.end()
})

test('each reason to say nothing is counted', (t) => {
  const { server, ask } = bench(new ListLog(blocks(10), [10], 5))
  t.equal(ask(4, 3).length, 0)
  t.equal(ask(15, 3).length, 0)
  t.equal(ask(7, 0).length, 0)
  t.equal(ask(14, 3)[0]!.packet.count, 1)
  const peer = { address: '127.0.0.1', port: 3 }
  server.onRequest(requestPacket(7, 1, 'OTHER'), peer, 0)
  server.onRequest(requestPacket(0, 1), peer, 0)
  server.onRequest(requestPacket(7, 1).slice(0, 19), peer, 0)
  server.onRequest(bytes(20, 0xff), peer, 0)
  t.strictSame(
    { ...server.counters },
    {
      requests: 8,
      'answer-packets': 1,
      'answer-events': 1,
      'request-malformed': 3,
      'request-foreign-session': 1,
      'request-empty': 1,
      'request-before-first': 1,
      'request-past-end': 1,
      'request-repeated': 0,
      'request-rate-limited': 0,
      'request-cut-short': 0,
      'request-block-too-long': 0,
      'request-read-failed': 0,
    },
  )
  t.end()
})

test('an empty log answers nothing', (t) => {
  const { server, ask } = bench(new ListLog([], []))
  t.equal(ask(1, 5).length, 0)
  t.equal(server.counters['request-past-end'], 1)
  t.end()
})

test('the same request of the same peer is answered once in a while', (t) => {
  const { server, ask } = bench(new ListLog(blocks(20), [20]))
  t.equal(ask(3, 4, 0, 1).length, 1)
  t.equal(ask(3, 4, 1_999, 1).length, 0, 'repeated')
  t.equal(ask(3, 2, 1_999, 1).length, 0, 'part of it')
  t.equal(ask(3, 4, 1_999, 2).length, 1, 'another peer')
  t.equal(ask(3, 4, 1_999, 2, '10.0.0.1').length, 1, 'another host')
  t.equal(ask(4, 4, 1_999, 1).length, 1, 'another range')
  t.equal(ask(3, 5, 1_999, 1).length, 1, 'more than before')
  t.equal(ask(3, 5, 3_998, 1).length, 0)
  t.equal(ask(3, 5, 3_999, 1).length, 1, 'later')
  t.equal(server.counters['request-repeated'], 3)
  t.end()
})

test('one request gets a bounded burst; the next one goes on', (t) => {
  const { server, ask } = bench(new ListLog(blocks(100, 200), [100]), { burstPackets: 4 })
  t.strictSame(
    ask(1, 100).map(({ packet }) => packet.sequence),
    [1, 2, 3, 4],
  )
  t.equal(server.counters['request-cut-short'], 1)
  t.equal(ask(1, 100, 100).length, 0, 'a repeat is one, although the answer was cut short')
  t.strictSame(
    ask(5, 4, 100).map(({ packet }) => packet.sequence),
    [5, 6, 7, 8],
  )
  t.equal(server.counters['request-cut-short'], 1, 'exactly the burst is not cut')
  t.end()
})

test('a storm is limited to the rate, and what was refused may be asked again at once', (t) => {
  const { server, ask } = bench(new ListLog(blocks(1_000, 200), [1_000]), {
    bytesPerSecond: 1_000_000,
    burstBytes: 10_000,
    burstPackets: 10_000,
  })
  const first = ask(1, 1_000)
  const sum = (answers: Answer[]): number => answers.reduce((total, { lengthBytes }) => total + lengthBytes, 0)
  t.ok(sum(first) >= 10_000 && sum(first) < 10_000 + 284, `${sum(first)} bytes`)
  t.equal(ask(500, 10).length, 0)
  t.equal(ask(500, 10).length, 0)
  t.equal(server.counters['request-rate-limited'], 3)
  const later = ask(500, 1_000, 5_000)
  t.ok(sum(later) > 4_000 && sum(later) < 5_500, `${sum(later)} bytes after 5 ms`)
  t.equal(server.counters['request-repeated'], 0)
  t.ok(sum(ask(600, 1_000, 10_000_000)) < 10_000 + 284, 'rest earns no more than the burst')
  t.end()
})

test('a block that no datagram of the session can carry ends the answer', (t) => {
  const { server, ask } = bench(new ListLog([block(10, 1), block(500, 2), block(10, 3)], [3]))
  t.strictSame(
    ask(1, 3).map(({ packet }) => packet.count),
    [1],
  )
  t.equal(server.counters['request-block-too-long'], 1)
  t.equal(ask(2, 2).length, 0)
  t.equal(ask(3, 1, 1)[0]!.packet.count, 1)
  t.end()
})

test('answers are handed over: a later one does not change an earlier one', (t) => {
  const kept: Uint8Array[] = []
  const log = new ListLog(blocks(3_000, 200), [3_000])
  const options = { session: SESSION, datagramBytes: 300, burstPackets: 5_000, burstBytes: 1e9 }
  const server = new Retransmitter(options, log, { sendAnswer: (packet) => kept.push(packet) })
  server.onRequest(requestPacket(1, 3_000), { address: 'a', port: 1 }, 0)
  t.equal(kept.length, 3_000)
  t.ok(kept.every((packet, i) => parse(packet).sequence === i + 1 && packet[50] === ((i + 1) & 0xff)))
  t.end()
})

test('a damaged record is counted and logged once; what lies before it is answered, and the server goes on', (t) => {
  const log = new ListLog(blocks(10, 20), [5, 5])
  const damaged = Object.create(log, {
    read: {
      value: (from: number, maxPackets: number, visit: RunVisitor) => {
        if (from <= 5) log.read(from, 1, visit)
        if (from <= maxPackets) throw new Error('record 6 is damaged')
      },
    },
  })
  const said: string[] = []
  const nothing = (): void => {}
  const logger = { debug: nothing, info: nothing, warn: nothing, error: (_: object, text: string) => said.push(text) }
  const { server, ask } = bench(damaged, { logger, suppressUs: 0 })
  t.strictSame(
    ask(1, 10).map(({ packet }) => packet.count),
    [5],
  )
  t.equal(ask(6, 5).length, 0)
  t.equal(ask(6, 5, 1).length, 0)
  t.equal(server.counters['request-read-failed'], 3)
  t.strictSame(said, ['record 6 is damaged', 'record 6 is damaged'])
  t.end()
})
