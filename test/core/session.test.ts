import { test } from 'tap'
import { followingSession, isSession, parseSession } from '../../src/core/session.js'

test('the session that follows, where nobody names it', (t) => {
  for (const [session, next] of [
    ['S1', 'S2'],
    ['S9', 'S10'],
    ['A009', 'A010'],
    ['99', '100'],
    ['20261121A', '20261121B'],
    ['20261121Y', '20261121Z'],
    ['20261121Z', '20261121Z2'],
    ['SEQCAST', 'SEQCAST2'],
    ['1234567890', '1234567891'],
    ['ABCDEFGHIJ', undefined],
    ['9999999999', undefined],
  ] as const) {
    t.equal(followingSession(session), next, session)
    if (next !== undefined) t.ok(isSession(next))
  }
  t.end()
})

test('an id is 1 to 10 letters and digits', (t) => {
  t.equal(parseSession('20261121A'), '20261121A')
  for (const wrong of ['', 'ABCDEFGHIJK', 'a b', 'ä', 'a/b']) {
    t.notOk(isSession(wrong))
    t.throws(() => parseSession(wrong), { code: 'E_CONFIG' })
  }
  t.end()
})
