import { test } from 'tap'
import { StableGuard } from '../../src/protocol/stable-guard.js'

const heartbeat = (
  epochs: readonly [epoch: number, sequence: number][],
  next: number,
  stable: number,
  voters = true,
) => ({
  epoch: epochs.at(-1)?.[0] ?? 0,
  epochTable: epochs.map(([epoch, sequence]) => ({ epoch, sequence })),
  nextSequence: next,
  stableSequence: stable,
  publishedIsStable: !voters,
})

/** A guard that has heard the voters promise. */
class Guard extends StableGuard {
  told(statement: ReturnType<typeof heartbeat>, knownThrough: number): boolean {
    this.promised(statement.epoch)
    return this.admits(statement, knownThrough, 5, 0)
  }
}

test('a new reign that takes back what was stable is not believed', (t) => {
  const guard = new Guard()
  t.ok(guard.told(heartbeat([[1, 1]], 11, 8), 10))
  t.notOk(
    guard.told(
      heartbeat(
        [
          [1, 1],
          [2, 8],
        ],
        20,
        8,
      ),
      10,
    ),
    'the last stable event',
  )
  t.ok(guard.told(heartbeat([[1, 1]], 12, 9), 11), 'the true one goes on')
  t.notOk(
    guard.told(
      heartbeat(
        [
          [1, 1],
          [2, 9],
        ],
        20,
        8,
      ),
      10,
    ),
  )
  t.notOk(
    guard.told(
      heartbeat(
        [
          [1, 1],
          [9, 2],
        ],
        20,
        8,
        false,
      ),
      10,
    ),
    'nor one that says there are no voters',
  )
  t.equal(guard.refused, 3)
  t.ok(
    guard.told(
      heartbeat(
        [
          [1, 1],
          [2, 10],
        ],
        20,
        8,
      ),
      10,
    ),
    'the first event that was not',
  )
  t.ok(
    guard.told(
      heartbeat(
        [
          [1, 1],
          [2, 10],
        ],
        40,
        39,
      ),
      39,
    ),
    'and so on in that reign',
  )
  t.notOk(
    guard.told(
      heartbeat(
        [
          [1, 1],
          [3, 30],
        ],
        50,
        29,
      ),
      45,
    ),
  )
  t.ok(
    guard.told(
      heartbeat(
        [
          [1, 1],
          [2, 10],
          [4, 40],
        ],
        50,
        29,
      ),
      45,
    ),
    'also one whose forerunners were never heard',
  )
  t.end()
})

test('only what is had here is known to be stable', (t) => {
  const guard = new Guard()
  t.ok(guard.told(heartbeat([[1, 1]], 1e9, 1e9), 10), 'a boast')
  t.ok(
    guard.told(
      heartbeat(
        [
          [1, 1],
          [2, 11],
        ],
        20,
        10,
      ),
      10,
    ),
    'does not keep the successor out',
  )
  t.end()
})

test('a reign that says less than its own opening is none; the first one heard may be any', (t) => {
  const guard = new Guard()
  t.notOk(
    guard.told(
      heartbeat(
        [
          [1, 1],
          [2, 5],
        ],
        4,
        0,
      ),
      3,
    ),
  )
  t.ok(
    guard.told(
      heartbeat(
        [
          [1, 1],
          [7, 500],
        ],
        501,
        400,
      ),
      3,
    ),
  )
  t.ok(guard.told(heartbeat([], 1, 0, false), 0), 'without voters there is one reign only')
  t.end()
})

test('nobody believes a reign whose table lacks the epoch of a stable event, wherever it opens', (t) => {
  const guard = new Guard()
  const table: [number, number][] = [
    [1, 1],
    [2, 8],
  ]
  t.ok(guard.told(heartbeat(table, 21, 12), 20))
  const lie: [number, number][] = [
    [1, 1],
    [3, 20],
  ]
  t.notOk(guard.told(heartbeat(lie, 30, 0), 20))
  t.equal(guard.refused, 1)
  t.ok(guard.told(heartbeat([[4, 20]], 30, 0), 20), 'one that says nothing about it')
  t.ok(guard.told(heartbeat([...table, [5, 20]], 30, 0), 20), 'the true one')
  t.end()
})
