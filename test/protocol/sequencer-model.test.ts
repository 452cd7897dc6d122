/**
 * The sequencer against a model that fits on a hand: per source, a list of what was taken so far. Any interleaving of sources
 * with loss, duplication, reordering, resends from anywhere, flushes and acknowledgements.
 */
import fc from 'fast-check'
import { test } from 'tap'
import type { SequencerOptions } from '../../src/protocol/sequencer-types.js'
import { Bench, type Block, bytes, commandPacket, parse } from './sequencer-kit.js'

const SOURCES = 3

type Step =
  | { kind: 'commands'; source: number; back: number; ahead: number; count: number; delay: number }
  | { kind: 'flush' }
  | { kind: 'tick'; us: number }
  | { kind: 'acknowledge' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('commands' as const),
      source: fc.integer({ min: 1, max: SOURCES }),
      back: fc.integer({ min: 0, max: 4 }),
      ahead: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 2 })),
      count: fc.integer({ min: 1, max: 6 }),
      delay: fc.integer({ min: 0, max: 3 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('flush' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('tick' as const), us: fc.integer({ min: 0, max: 60_000 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('acknowledge' as const) }) },
)

/** The command that source `source` has at `number`: the same whenever it is resent. */
function command(source: number, number: number): { type: number; payload: Uint8Array } {
  // At most 24 bytes: six of them make a packet of up to 296 bytes, which is just longer than an event packet may be.
  return { type: 256 + (number % 5), payload: bytes((number * 13 + source) % 25, number) }
}

interface Delayed {
  packet: Uint8Array
  steps: number
}

/** Runs steps; what a source sent so far only grows, and packets of it arrive late, twice, or never. */
function run(bench: Bench, steps: readonly Step[], next: Map<number, number>): void {
  let delayed: Delayed[] = []
  const arrive = (packet: Uint8Array): void => {
    const view = new DataView(packet.buffer)
    const source = view.getUint16(10)
    const first = view.getUint32(14)
    const end = first + view.getUint16(18)
    const expected = next.get(source) ?? 1
    if (bench.sequencer.state === 'open' && first <= expected && end > expected) next.set(source, end)
    bench.command(packet.slice())
  }
  for (const s of steps) {
    delayed = delayed.filter((one) => {
      if (--one.steps >= 0) return true
      arrive(one.packet)
      return false
    })
    if (s.kind === 'flush') bench.flush()
    else if (s.kind === 'tick') bench.advance(s.us).tick()
    else if (s.kind === 'acknowledge') {
      const sent = bench.packets().at(-1)
      if (sent !== undefined) bench.acknowledge('a', sent.sequence + sent.count - 1)
    } else {
      const first = Math.max(1, (next.get(s.source) ?? 1) - s.back + s.ahead)
      const commands = Array.from({ length: s.count }, (_, i) => command(s.source, first + i))
      const packet = commandPacket(s.source, first, commands)
      if (s.delay === 0) arrive(packet)
      else delayed.push({ packet, steps: s.delay })
    }
  }
  bench.flush()
}

const OPTIONS = { datagramBytes: 300, voters: ['a'], windowPackets: 12, tickUs: 50_000 }

function opened(options: Partial<SequencerOptions> = OPTIONS): Bench {
  const bench = new Bench(options).open()
  for (let source = 1; source <= SOURCES; source++) bench.register(`s${source}`, source)
  return bench
}

/** G1 to G3 for one recorded stream. */
function check(bench: Bench, next: Map<number, number>): void {
  let sequence = 1
  let lastNs = 0n
  const seen = new Map<number, number>()
  for (const packet of bench.packets()) {
    if (packet.sequence !== sequence) throw new Error(`packet ${packet.sequence} instead of ${sequence}`)
    sequence += packet.count
    for (const block of packet.blocks) {
      const expected = (seen.get(block.source) ?? 0) + 1
      if (block.sourceSequence !== expected) throw new Error(`source ${block.source}: ${block.sourceSequence}`)
      seen.set(block.source, expected)
      if (block.timestampNs < lastNs) throw new Error('time went back')
      lastNs = block.timestampNs
      if (block.epoch !== 1) throw new Error('epoch')
      checkContent(block)
    }
  }
  for (const [source, n] of next) {
    if ((seen.get(source) ?? 0) !== n - 1) throw new Error(`source ${source} ends at ${seen.get(source)}, not ${n - 1}`)
  }
  if (bench.sequencer.nextSequence !== sequence) throw new Error('nextSequence')
  if (bench.sent.some(({ bytes: { length } }) => length > 284)) throw new Error('a packet beyond the datagram')
}

function checkContent({ source, sourceSequence, type, payload }: Block): void {
  if (source === 0) return
  const expected = command(source, sourceSequence)
  if (type !== expected.type || Buffer.compare(payload, expected.payload) !== 0) throw new Error('another content')
}

test('each command becomes exactly one event, in the order of its source, in numbers without a hole', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const bench = opened()
      const next = new Map<number, number>()
      run(bench, steps, next)
      check(bench, next)
    }),
    { numRuns: 300 },
  )
  t.end()
})

test('what was sent is kept: the packet objects are not written to after they went out', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const bench = opened()
      run(bench, steps, new Map())
      for (const { packet, bytes: copy } of bench.sent) {
        if (parse(copy).count === 0) continue // the heartbeat's buffer is reused
        if (Buffer.compare(packet, copy) !== 0) throw new Error('changed after it was sent')
      }
    }),
    { numRuns: 100 },
  )
  t.end()
})

test('a rebuilt sequencer is the original: both continue with the same bytes', (t) => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.array(step, { maxLength: 60 }),
      fc.boolean(),
      (before, after, isMiddleOfMessage) => {
        // Without voters nothing is added where a session goes on.
        const options = { ...OPTIONS, voters: [] }
        const original = opened(options)
        const next = new Map<number, number>()
        run(original, before, next)
        if (isMiddleOfMessage) {
          const first = next.get(1) ?? 1
          original.command(commandPacket(1, first, [{ ...command(1, first), flags: 1 }]))
          original.flush()
          next.set(1, first + 1)
        }
        const copy = new Bench(options).rebuildFrom(original)
        copy.nowUs = original.nowUs
        copy.wallUs = original.wallUs
        copy.open()
        if (copy.packets().length > 0) throw new Error('a rebuilt session starts a second time')
        if (copy.sequencer.nextSequence !== original.sequencer.nextSequence) throw new Error('nextSequence')
        const from = original.packets().length
        original.advance(1)
        copy.advance(1)
        // Idle time is not in the stream, so that ticks are compared from an event on.
        for (const bench of [original, copy]) {
          bench.register('new', 77)
          run(bench, after, new Map(next))
          bench.register('last', 78, { exclusive: true })
        }
        const rest = original
          .packets()
          .slice(from)
          .flatMap(({ blocks }) => blocks)
        const same = copy.packets().flatMap(({ blocks }) => blocks)
        const text = (blocks: Block[]): string =>
          JSON.stringify(blocks, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
        if (text(rest) !== text(same)) throw new Error(`${text(rest)}\n${text(same)}`)
      },
    ),
    { numRuns: 150 },
  )
  t.end()
})

test('the end can always be said: the window has a place for it, however it was filled', (t) => {
  const sizes = fc.array(fc.array(fc.integer({ min: 0, max: 242 }), { minLength: 1, maxLength: 3 }), { minLength: 40 })
  fc.assert(
    fc.property(sizes, fc.integer({ min: 0, max: 250 }), (packets, reasonBytes) => {
      const bench = new Bench({ datagramBytes: 300, voters: ['a'], windowPackets: 8 }).open()
      let next = 1
      bench.register('a', 1)
      for (const lengths of packets) {
        const packet = commandPacket(
          1,
          next,
          lengths.map((length) => ({ type: 256, payload: bytes(length) })),
        )
        const before = bench.sequencer.nextSequence
        bench.command(packet)
        next += bench.sequencer.nextSequence - before
      }
      bench.sequencer.end('r'.repeat(reasonBytes), bench.nowUs, bench.wallUs)
      if (bench.events().at(-1)?.type !== 9) throw new Error('the end was not sent')
      if (bench.packets().length > 9) throw new Error('more than the window holds')
    }),
    { numRuns: 300 },
  )
  t.end()
})

test('bad bytes: every truncation, every corruption of a byte: dropped with a counter, or a valid packet', (t) => {
  const bench = opened()
  const sum = (): number => {
    const { events: _events, ...rest } = bench.sequencer.counters
    const dropped = Object.entries(rest).filter(
      ([name]) => !/packets$|^clock/.test(name) || /^(ahead|oversize|held)/.test(name),
    )
    return dropped.reduce((total, [, count]) => total + count, 0)
  }
  let next = 1
  const offer = (packet: Uint8Array): void => {
    const drops = sum()
    const sequence = bench.sequencer.nextSequence
    bench.command(packet)
    const taken = bench.sequencer.nextSequence - sequence
    t.ok(taken > 0 || sum() > drops, 'never silent')
    if (taken > 0 && packet[11] === 1) next += taken
    bench.flush()
    bench.acknowledge('a', bench.sequencer.nextSequence - 1)
  }
  const valid = (): Uint8Array =>
    commandPacket(
      1,
      next,
      [1, 2].map(() => ({ type: 256, payload: bytes(4) })),
    )
  const lengthBytes = valid().length
  for (let length = 0; length < lengthBytes; length++) offer(valid().slice(0, length))
  for (let at = 0; at < lengthBytes; at++) {
    for (const flip of [1, 2, 4, 8, 16, 32, 64, 128, 255]) {
      const packet = valid()
      packet[at]! ^= flip
      offer(packet)
    }
  }
  const registration = commandPacket(0, 1, [{ type: 10, payload: bytes(9, 0xff) }])
  for (let length = 0; length <= registration.length; length++) offer(registration.slice(0, length))
  t.equal(bench.sequencer.state, 'open')
  t.end()
})

test('bad bytes: arbitrary ones, on every input', (t) => {
  const bench = opened()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.boolean(), (noise, isOurs) => {
      const packet = noise.slice()
      if (isOurs) packet.set(new TextEncoder().encode('TEST01    ').subarray(0, packet.length))
      bench.command(packet.slice())
      bench.sequencer.onRequest(packet, { address: '127.0.0.1', port: 1 }, bench.nowUs)
      bench.flush()
    }),
    { numRuns: 2_000 },
  )
  t.end()
})
