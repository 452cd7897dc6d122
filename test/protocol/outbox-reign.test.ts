/** An outbox and a new reign: what could not get through while nobody reigned neither narrows the window nor lengthens the waits. */
import { test } from 'tap'
import { blocksOf, createOutbox, SequencerStub } from './outbox-stub.js'

const PAYLOAD = new Uint8Array(20)

test('after an outage all that the window holds goes out at once, and the waits are as before', (t) => {
  const { outbox, packets } = createOutbox({ minRtoUs: 1_000, maxRtoUs: 200_000, inFlightCommands: 400 })
  const sequencer = new SequencerStub()
  outbox.setEpoch(1, 0)
  outbox.connect(0)
  outbox.append(256, PAYLOAD, 0)
  outbox.flush(0)
  for (const packet of packets.splice(0)) sequencer.onPacket(packet)
  sequencer.deliver(outbox, 1, 1_000)
  const waitUs = 3_000

  for (let i = 0; i < 600; i++) outbox.append(256, PAYLOAD, 2_000)
  outbox.flush(2_000)
  let us = 2_000
  for (; us < 600_000; us += 1_000) outbox.tick(us)
  packets.length = 0
  outbox.setEpoch(2, us)
  const sent = packets.reduce((sum, packet) => sum + blocksOf(packet).length, 0)
  t.ok(sent > 380 && sent <= 400, `${sent} commands`)
  t.equal(outbox.tick(us), us + waitUs, 'the mean and four deviations, without a back-off')
  t.end()
})

test('a source that was never answered waits as at its beginning', (t) => {
  const { outbox } = createOutbox({ minRtoUs: 1_000, maxRtoUs: 200_000 })
  outbox.connect(0)
  outbox.append(256, PAYLOAD, 0)
  outbox.flush(0)
  for (let us = 0; us < 600_000; us += 1_000) outbox.tick(us)
  outbox.setEpoch(2, 600_000)
  t.equal(outbox.tick(600_000), 620_000)
  t.end()
})
