/** What is stable, and what only looks so: copies by number, words of another reign, words of a lost disk. */
import { test } from 'tap'
import { Stability } from '../../src/protocol/stability.js'

const VOTERS = ['a', 'b', 'c']

/** A reign of epoch 2 that has adopted 100 events, opened with number 101, and sent 110. */
function reign(lives = {}): { stability: Stability; say: (voter: string, upTo: number, more?: object) => unknown } {
  const stability = new Stability(VOTERS)
  stability.open(2, 101, 40, lives)
  stability.published(110)
  const say = (voter: string, durableSequence: number, more: object = {}): unknown =>
    stability.acknowledge({ voter, epoch: 2, durableSequence, ...more })
  return { stability, say }
}

test('copies of older events prove nothing: they become stable with the opening event', (t) => {
  const { stability, say } = reign()
  t.equal(stability.stableSequence, 40, 'what an earlier reign reported stays')
  for (const voter of VOTERS) say(voter, 100)
  t.equal(stability.stableSequence, 40, 'all have all that was adopted')
  say('a', 101)
  t.equal(stability.stableSequence, 40, 'one of three has the opening')
  say('b', 105)
  t.equal(stability.stableSequence, 101)
  t.end()
})

test('acknowledgements count under the reign that they name, and no other', (t) => {
  const { stability, say } = reign()
  for (const epoch of [0, 1, 3]) {
    for (const voter of VOTERS) t.equal(say(voter, 110, { epoch }), 'other-epoch')
  }
  t.equal(stability.stableSequence, 40)
  say('a', 110)
  say('b', 110, { epoch: 1 })
  t.equal(stability.stableSequence, 40, 'two reigns are not one majority')
  say('b', 110)
  t.equal(stability.stableSequence, 110)
  t.end()
})

test('nothing counts before the reign has begun', (t) => {
  const stability = new Stability(['a'])
  stability.published(5)
  for (const epoch of [0, 1]) {
    t.equal(stability.acknowledge({ voter: 'a', epoch, durableSequence: 5 }), 'other-epoch')
  }
  t.equal(stability.stableSequence, 0)
  t.end()
})

test('what a voter said before it lost its disk is void from the moment that anybody tells', (t) => {
  const { stability, say } = reign({ a: 1, b: 1, c: 1 })
  t.equal(say('a', 105, { life: 1 }), undefined)
  // The acknowledgement that would complete the majority says that the other half of it is gone.
  t.equal(say('b', 105, { life: 1, lives: { a: 2, b: 1, c: 1 } }), undefined)
  t.equal(stability.stableSequence, 40)
  t.equal(say('a', 110, { life: 1 }), 'earlier-life')
  t.equal(say('a', 110), 'earlier-life', 'none at all')
  t.equal(stability.stableSequence, 40)
  t.strictSame(stability.lives, { a: 2, b: 1, c: 1 })
  say('a', 102, { life: 2 })
  t.equal(stability.stableSequence, 102)
  t.end()
})
