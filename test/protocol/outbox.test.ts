import { test } from 'tap'
import { SeqcastError } from '../../src/core/errors.js'
import { MAX_SOURCE_SEQUENCE } from '../../src/core/limits.js'
import { commandSource } from '../../src/wire/command.js'
import { eventFlags, eventSource, eventSourceSequence, eventType, writeCommandHeader } from '../../src/wire/event.js'
import { blocksOf, createOutbox, DATAGRAM_BYTES, ranges, SequencerStub } from './outbox-stub.js'

const bytes = (length: number, first = 0): Uint8Array => Uint8Array.from({ length }, (_, i) => first + i)

test('what one turn appended leaves in as few packets as possible, byte for byte', (t) => {
  const { outbox, packets } = createOutbox()
  outbox.connect(0)
  t.equal(outbox.append(256, new Uint8Array([1, 2, 3]), 0), 1)
  outbox.flush(0)
  t.equal(
    Buffer.from(packets[0]!).toString('hex'),
    `${Buffer.from('TEST      ').toString('hex')}00070000000000010001` +
      '0017' +
      '0100000700000001000000000000000000000003' +
      '010203',
  )
  for (let i = 0; i < 14; i++) outbox.append(300, bytes(20), 0)
  outbox.flush(0)
  outbox.flush(0)
  // 300 bytes less 16 for a tag less 20 of header hold six blocks of 42.
  t.strictSame(ranges(packets), [
    [1, 1],
    [2, 6],
    [8, 6],
    [14, 2],
  ])
  t.ok(packets.every((packet) => packet.length <= DATAGRAM_BYTES - 16))
  t.equal(outbox.commands, 15)
  t.end()
})

test('without a key the room of the tag is for commands', (t) => {
  for (const [tagBytes, commands] of [
    [16, 6],
    [4, 6],
    [0, 7],
  ] as const) {
    const { outbox, packets } = createOutbox({ tagBytes })
    outbox.connect(0)
    for (let i = 0; i < 12; i++) outbox.append(300, bytes(18), 0)
    outbox.flush(0)
    t.equal(ranges(packets)[0]?.[1], commands, `${tagBytes}`)
  }
  t.end()
})

test('a long message becomes a train of fragments', (t) => {
  const { outbox, packets } = createOutbox()
  outbox.connect(0)
  t.equal(outbox.append(256, bytes(40), 0), 1)
  t.equal(outbox.append(257, bytes(41), 0), 3)
  t.equal(outbox.append(258, bytes(120), 0), 6)
  t.equal(outbox.append(259, bytes(0), 0), 7)
  outbox.flush(0)
  const blocks = packets.flatMap(blocksOf)
  t.strictSame(
    blocks.map((b) => [eventType(b, 0), eventSourceSequence(b, 0), eventFlags(b, 0), b.length - 20]),
    [
      [256, 1, 3, 40],
      [257, 2, 1, 40],
      [257, 3, 2, 1],
      [258, 4, 1, 40],
      [258, 5, 0, 40],
      [258, 6, 2, 40],
      [259, 7, 3, 0],
    ],
  )
  t.strictSame(Buffer.concat(blocks.slice(3, 6).map((b) => b.subarray(20))), Buffer.from(bytes(120)))
  t.throws(() => outbox.append(256, new Uint8Array(17 * 1024 * 1024), 0), { code: 'E_PAYLOAD' })
  t.equal(outbox.nextSourceSequence, 8, 'a refused message takes no number')
  t.end()
})

test('what does not come back is sent again at the computed times, and only then', (t) => {
  const { outbox, packets, latencies } = createOutbox({ minRtoUs: 1_000, maxRtoUs: 100_000 })
  const sequencer = new SequencerStub()
  outbox.connect(0)
  outbox.append(256, bytes(3), 0)
  outbox.flush(0)
  const sentAt: number[] = []
  let deadlineUs = 0
  for (let us = 0; us <= 400_000; us += 1_000) {
    const before = packets.length
    deadlineUs = outbox.tick(us)
    outbox.flush(us)
    if (packets.length > before) sentAt.push(us)
  }
  t.strictSame(sentAt, [20_000, 60_000, 140_000, 240_000, 340_000], 'doubling to the bound')
  t.equal(deadlineUs, 440_000)
  t.equal(outbox.counters.resentCommands, 5)

  for (const packet of packets) sequencer.onPacket(packet)
  t.strictSame(sequencer.deliver(outbox, 9, 400_500), ['expected'])
  t.equal(outbox.roundTripUs, 0, 'a resent command is no measurement (Karn)')
  t.strictSame(latencies, [[1, 400_500]], 'its latency counts from the append')
  t.equal(outbox.tick(10_000_000), Number.POSITIVE_INFINITY, 'nothing in flight, nothing due')

  outbox.append(256, bytes(3), 500_000)
  outbox.flush(500_000)
  t.equal(outbox.tick(500_000), 600_000, 'the back-off stays until a clean measurement')
  sequencer.onPacket(packets.at(-1)!)
  sequencer.deliver(outbox, 9, 501_000)
  t.equal(outbox.roundTripUs, 1_000)
  outbox.append(256, bytes(3), 600_000)
  outbox.flush(600_000)
  t.equal(outbox.tick(600_000), 603_000, 'mean 1,000 and four deviations of 500')
  sequencer.onPacket(packets.at(-1)!)
  sequencer.deliver(outbox, 9, 601_000)
  outbox.append(256, bytes(3), 700_000)
  outbox.flush(700_000)
  t.equal(outbox.tick(700_000), 702_500, 'the deviation has shrunk to 375')
  t.end()
})

test('a resend goes back to the first command that did not come back', (t) => {
  const { outbox, packets } = createOutbox()
  const sequencer = new SequencerStub()
  outbox.connect(0)
  for (let i = 0; i < 18; i++) outbox.append(256, bytes(20), 0)
  outbox.flush(0)
  t.strictSame(ranges(packets), [
    [1, 6],
    [7, 6],
    [13, 6],
  ])
  sequencer.onPacket(packets[0]!)
  sequencer.onPacket(packets[2]!)
  t.equal(sequencer.deliver(outbox, 99, 1_000).length, 6)
  packets.length = 0
  const dueUs = outbox.tick(1_000)
  outbox.tick(dueUs - 1)
  t.equal(packets.length, 0)
  outbox.tick(dueUs)
  t.strictSame(ranges(packets), [
    [7, 6],
    [13, 6],
  ])
  t.end()
})

test('the window bounds what is in flight', (t) => {
  const { outbox, packets } = createOutbox({ inFlightCommands: 6 })
  const sequencer = new SequencerStub()
  outbox.connect(0)
  for (let i = 0; i < 20; i++) outbox.append(256, bytes(20), 0)
  outbox.flush(0)
  t.strictSame(ranges(packets), [[1, 6]])
  sequencer.onPacket(packets[0]!)
  sequencer.deliver(outbox, 2, 10)
  outbox.flush(10)
  t.strictSame(ranges(packets), [[1, 6]], 'an opening smaller than a packet waits while something is in flight')
  sequencer.deliver(outbox, 4, 20)
  outbox.flush(20)
  t.strictSame(ranges(packets), [
    [1, 6],
    [7, 6],
  ])
  t.end()
})

test('a window smaller than a packet lets one out at a time', (t) => {
  const { outbox, packets } = createOutbox({ inFlightCommands: 4 })
  const sequencer = new SequencerStub()
  outbox.connect(0)
  for (let i = 0; i < 10; i++) outbox.append(256, bytes(20), 0)
  for (let sent = 0; sent < 3; sent++) {
    outbox.flush(sent)
    t.equal(packets.length, sent + 1)
    sequencer.onPacket(packets[sent]!)
    sequencer.deliver(outbox, blocksOf(packets[sent]!).length, sent)
  }
  t.equal(outbox.outstanding, 0)
  t.end()
})

test('a run is taken at once, whoever else is in it', (t) => {
  const { outbox, packets, latencies } = createOutbox()
  outbox.connect(0)
  for (let i = 0; i < 3; i++) outbox.bytes.set([i, i + 1, i + 2, i + 3, i + 4], outbox.claim(256, 5, 0))
  outbox.flush(0)
  const [first, second, third] = blocksOf(packets[0]!)
  const run = (...blocks: Uint8Array[]): Uint8Array =>
    Uint8Array.from([9, 9, ...blocks.flatMap((block) => [0, block.length, ...block])])
  const stranger = Uint8Array.from(first!).fill(8, 2, 4)
  t.equal(outbox.onRun(40, 3, run(stranger, first!, second!), 2, 70), 2)
  t.strictSame(latencies, [
    [1, 70],
    [2, 70],
  ])
  outbox.onStable(41)
  t.equal(outbox.commands, 2, 'the second became event 42')
  const other = Uint8Array.from(third!)
  other[24] = 99
  t.equal(outbox.onRun(43, 1, run(other), 2, 80), 0)
  t.equal(outbox.counters.diverged, 1)
  t.equal(outbox.onRun(44, 1, run(third!), 2, 90), 1)
  t.equal(outbox.outstanding, 0)
  t.throws(() => outbox.claim(256, 41, 0), /claim of 41 bytes/)
  t.end()
})

test('after a loss the window is half of what was in flight, and grows again', (t) => {
  const { outbox, packets } = createOutbox({ inFlightCommands: 400 })
  const sequencer = new SequencerStub()
  outbox.connect(0)
  for (let i = 0; i < 600; i++) outbox.append(256, bytes(20), 0)
  outbox.flush(0)
  t.equal(outbox.counters.sentCommands, 396, 'as many full packets as the window holds')
  packets.length = 0
  const dueUs = outbox.tick(0)
  outbox.tick(dueUs)
  t.equal(outbox.counters.resentCommands, 198)
  for (const packet of packets.splice(0)) sequencer.onPacket(packet)
  sequencer.deliver(outbox, 198, dueUs + 1_000)
  outbox.flush(dueUs + 1_000)
  const inFlight = packets.reduce((sum, packet) => sum + blocksOf(packet).length, 0)
  t.ok(inFlight > 220 && inFlight < 280, `${inFlight}: about a packet or two more for each round trip`)
  t.end()
})

test('commands that left together are one measurement', (t) => {
  const { outbox, packets } = createOutbox({ minRtoUs: 1, maxRtoUs: 1e9 })
  const sequencer = new SequencerStub()
  outbox.connect(0)
  for (let i = 0; i < 6; i++) outbox.append(256, bytes(20), 0)
  outbox.flush(0)
  sequencer.onPacket(packets[0]!)
  sequencer.deliver(outbox, 6, 8_000)
  outbox.append(256, bytes(20), 10_000)
  outbox.flush(10_000)
  t.equal(outbox.tick(10_000), 34_000, 'still the deviation of a first sample, 4,000')
  t.end()
})

test('held: only a probe at the longest wait; afterwards all that is missing goes again', (t) => {
  const { outbox, packets } = createOutbox({ maxRtoUs: 50_000 })
  outbox.connect(0)
  for (let i = 0; i < 12; i++) outbox.append(256, bytes(20), 0)
  outbox.flush(0)
  outbox.onHeld(true)
  packets.length = 0
  for (let i = 0; i < 3; i++) outbox.append(256, bytes(20), 0)
  outbox.flush(1_000)
  t.equal(outbox.tick(50_999), 51_000)
  t.strictSame(packets, [])
  t.equal(outbox.tick(51_000), 101_000)
  t.strictSame(ranges(packets), [[1, 6]])
  outbox.onHeld(false)
  outbox.flush(60_000)
  t.strictSame(ranges(packets), [
    [1, 6],
    [1, 6],
    [7, 6],
    [13, 3],
  ])
  t.end()
})

test('a passive outbox sends nothing; connected, it sends what is left', (t) => {
  const { outbox, packets, latencies } = createOutbox()
  const active = createOutbox()
  const sequencer = new SequencerStub()
  active.outbox.connect(0)
  for (const each of [outbox, active.outbox]) for (let i = 0; i < 8; i++) each.append(256, bytes(20, i), 0)
  active.outbox.flush(0)
  outbox.flush(0)
  t.equal(outbox.tick(1e9), Number.POSITIVE_INFINITY)
  t.strictSame(packets, [])
  sequencer.onPacket(active.packets[0]!)
  t.strictSame(sequencer.deliver(outbox, 9, 5), Array(6).fill('expected'))
  outbox.connect(1_000)
  t.strictSame(ranges(packets), [[7, 2]])
  sequencer.onPacket(packets[0]!)
  t.strictSame(sequencer.deliver(outbox, 9, 1_100), ['expected', 'expected'])
  t.strictSame(latencies, [], 'the latency of what was appended while passive says nothing')
  t.equal(outbox.roundTripUs, 0, 'nor does its round trip: another replica may have sent it')
  outbox.disconnect()
  outbox.append(256, bytes(1), 2_000)
  outbox.flush(2_000)
  t.equal(packets.length, 1)
  t.end()
})

test('a source that is not registered yet: nothing leaves until the number is bound', (t) => {
  const { outbox, packets } = createOutbox({ source: 0 })
  outbox.connect(0)
  for (let i = 0; i < 7; i++) outbox.append(256, bytes(20), 0)
  outbox.flush(0)
  t.equal(outbox.tick(1e9), Number.POSITIVE_INFINITY)
  t.strictSame(packets, [])
  outbox.bind(0x1234, 1e9)
  t.strictSame(ranges(packets), [
    [1, 6],
    [7, 1],
  ])
  t.ok(packets.every((packet) => commandSource(packet) === 0x1234))
  t.ok(packets.flatMap(blocksOf).every((block) => eventSource(block, 0) === 0x1234))
  outbox.bind(0x1234, 1e9)
  t.throws(() => outbox.bind(3, 1e9))
  t.end()
})

test('verdicts: expected, diverged in type, flags or payload, unknown', (t) => {
  const { outbox } = createOutbox()
  outbox.append(256, bytes(3), 0)
  const event = (type: number, sourceSequence: number, flags: number, payload: Uint8Array): Uint8Array => {
    const block = new Uint8Array(20 + payload.length)
    writeCommandHeader(block, 0, type, 7, sourceSequence, flags)
    block.set([1, 2, 3, 4, 5, 6, 7, 8, 0, 1], 8)
    block.set(payload, 20)
    return block
  }
  const verdict = (block: Uint8Array): string => outbox.onEvent(5, block, 0, block.length, 0)
  t.equal(verdict(event(257, 1, 3, bytes(3))), 'diverged')
  t.equal(verdict(event(256, 1, 2, bytes(3))), 'diverged')
  t.equal(verdict(event(256, 1, 3, bytes(3, 1))), 'diverged')
  t.equal(verdict(event(256, 1, 3, bytes(2))), 'diverged')
  t.equal(verdict(event(256, 1, 3, bytes(4))), 'diverged')
  t.equal(verdict(event(256, 2, 3, bytes(3))), 'unknown', 'never issued')
  t.equal(verdict(event(256, 0, 3, bytes(3))), 'unknown')
  t.equal(verdict(new Uint8Array(3)), 'unknown', 'no event at all')
  t.equal(verdict(event(256, 1, 3, bytes(3))), 'expected', 'time and epoch are not compared')
  t.equal(verdict(event(256, 1, 3, bytes(3))), 'unknown', 'came back already')
  t.strictSame([outbox.counters.diverged, outbox.counters.unknown, outbox.counters.returned], [5, 4, 1])
  t.end()
})

test('commands are held until their events are stable; who waits for space then goes on', async (t) => {
  const { outbox, packets } = createOutbox({ capacityCommands: 3 })
  const sequencer = new SequencerStub()
  outbox.connect(0)
  await outbox.space()
  for (let i = 0; i < 3; i++) outbox.append(256, bytes(3), 0)
  t.ok(outbox.isFull)
  t.throws(() => outbox.append(256, bytes(3), 0), /await space/)
  let woken = 0
  const waiting = [1, 2].map(() => outbox.space().then(() => woken++))
  outbox.flush(0)
  sequencer.onPacket(packets[0]!)
  sequencer.deliver(outbox, 2, 0)
  outbox.onStable(0)
  await Promise.resolve()
  t.strictSame([outbox.commands, outbox.outstanding, woken], [3, 1, 0])
  outbox.onStable(99)
  await Promise.all(waiting)
  t.strictSame([outbox.commands, woken, outbox.isFull], [1, 2, false], 'what is not an event yet stays')
})

test('a source whose numbers run out says what to do', (t) => {
  const { outbox } = createOutbox({ firstSourceSequence: MAX_SOURCE_SEQUENCE - 1 })
  t.throws(() => outbox.append(256, bytes(100), 0), SeqcastError, 'a train that would not fit')
  outbox.append(256, bytes(1), 0)
  t.equal(outbox.append(256, bytes(1), 0), MAX_SOURCE_SEQUENCE)
  try {
    outbox.append(256, bytes(1), 0)
    t.fail('was accepted')
  } catch (error) {
    t.match(error, { code: 'E_SOURCE_EXHAUSTED', message: /source 7 of session 'TEST'/, hint: /fresh source/ })
  }
  t.equal(outbox.commands, 2)
  t.end()
})

test('a fragment that fits no datagram is a mistake of the caller', (t) => {
  t.throws(() => createOutbox({ fragmentBytes: DATAGRAM_BYTES }))
  t.throws(() => createOutbox({ fragmentBytes: 0 }))
  t.end()
})
