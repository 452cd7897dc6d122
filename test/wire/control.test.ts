import { test } from 'tap'
import { decodeControl, encodeControl } from '../../src/wire/control.js'

test('a control message survives the wire', (t) => {
  const sent = {
    session: 'S1',
    sender: 2 ** 52 + 1,
    kind: 'store' as const,
    body: {
      name: 'a',
      voter: '',
      epoch: 1,
      durableSequence: 2 ** 53 - 1,
      committedSequence: 7,
      requestPort: 1,
      rewindPort: 2,
      state: 'live',
      counters: { received: 3 },
    },
  }
  t.strictSame(decodeControl(encodeControl(sent)), sent)
  t.equal(decodeControl(new Uint8Array([1, 2, 3])), undefined)
  t.end()
})
