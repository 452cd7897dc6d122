/**
 * A registration names no reign (its packet says 0), as who asks first knows of none. That does no harm: its nonce makes one event of it, in
 * whatever reign, and the commands that follow it do name theirs.
 */
import { test } from 'tap'
import { writeU16 } from '../../src/wire/bytes.js'
import { COMMAND_EPOCH_AT } from '../../src/wire/command.js'
import { SOURCE_REGISTERED, sourceRegisteredCodec } from '../../src/wire/runtime-events.js'
import { Bench, bytes, commandPacket, registration } from './sequencer-kit.js'

const bench = () => new Bench({ voters: ['a', 'b', 'c'] })

function registered(of: Bench): [name: string, nonce: number, source: number, closes: number][] {
  return of.events().flatMap(({ type, payload }) => {
    const event = type === SOURCE_REGISTERED ? sourceRegisteredCodec.decode(payload) : undefined
    return event === undefined ? [] : [[event.name, event.nonce, event.source, event.closes]]
  })
}

test('one that the new reign has adopted is repeated without a second event', (t) => {
  const first = bench().open()
  first.register('s', 11, { exclusive: true })
  const second = bench().rebuildFrom(first).open(2)
  second.command(registration({ name: 's', nonce: 11, exclusive: true }))
  second.flush()
  t.strictSame(registered(second), [])
  t.equal(second.sequencer.counters['repeated-registrations'], 1)
  t.end()
})

test('one that was revoked is asked for again under the same nonce; a late packet of it adds nothing', (t) => {
  const first = bench().open()
  const branch = bench().rebuildFrom(first)
  first.register('s', 11, { exclusive: true })
  const second = branch.open(2)
  for (let i = 0; i < 3; i++) second.command(registration({ name: 's', nonce: 11, exclusive: true }))
  second.flush()
  t.strictSame(registered(second), [['s', 11, 1, 0]])
  t.end()
})

test('a number that the new reign gave to another one takes no command that was made on the lost branch', (t) => {
  const first = bench().open()
  const branch = bench().rebuildFrom(first)
  first.register('lost', 11)
  const second = branch.open(2)
  second.register('other', 12)
  t.strictSame(registered(second), [['other', 12, 1, 0]], 'the same number')
  const before = second.events().length
  const late = commandPacket(1, 1, [{ type: 256, payload: bytes(3) }])
  writeU16(late, COMMAND_EPOCH_AT, 1)
  second.command(late)
  second.flush()
  t.equal(second.events().length, before)
  t.equal(second.sequencer.counters['other-reign'], 1)
  t.end()
})
