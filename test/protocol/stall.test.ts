/**
 * A sequencer that the standbys hear, and the voters do not, or that does not hear them: events are published and none becomes stable. A
 * standby suspects that, too; but not because a disk is slow, a voter catches up, or voters are gone.
 */
import { test } from 'tap'
import { Prng } from '../../src/core/prng.js'
import { Reign } from '../../src/protocol/reign.js'
import type { StoreStatus } from '../../src/wire/control.js'

const STALL_US = 3_000_000

interface View {
  epoch: number
  next: number
  stable: number
  /** What each voter has; undefined: it is not heard. */
  durable: (number | undefined)[]
  life?: number
}

/** A standby that hears the sequencer and the voters ten times a second. */
class Standby {
  nowUs = 1_000_000
  readonly claims: { epoch: number; atUs: number }[] = []
  readonly reasons: string[] = []
  readonly reign: Reign
  view: View = { epoch: 1, next: 11, stable: 10, durable: [10, 10, 10] }

  constructor(manual = false) {
    this.reign = new Reign(
      {
        voters: ['a', 'b', 'c'],
        incarnation: 9,
        name: 'me',
        rank: 0,
        jitter: new Prng(3),
        manual,
        knownEpoch: 1,
      },
      {
        ownLog: () => ({ lastEpoch: 1, lastSequence: 10 }),
        sendClaim: ({ epoch }) => {
          if (this.claims.at(-1)?.epoch !== epoch) this.claims.push({ epoch, atUs: this.nowUs })
        },
        adopt: () => {},
        suspected: (reason) => this.reasons.push(reason),
        stateChanged: () => {},
        failed: () => {},
      },
    )
  }

  /** @param step changes what is seen, each tenth of a second */
  pass(us: number, step: (view: View) => void = () => {}): this {
    for (const untilUs = this.nowUs + us; this.nowUs < untilUs; this.nowUs += 10_000) {
      if (this.nowUs % 100_000 === 0) {
        step(this.view)
        this.#hear()
      }
      this.reign.tick(this.nowUs)
    }
    return this
  }

  #hear(): void {
    const { epoch, next, stable, durable, life = 1 } = this.view
    durable.forEach((durableSequence, i) => {
      if (durableSequence === undefined) return
      const voter = 'abc'[i] ?? ''
      const ports = { requestPort: 0, rewindPort: 0, state: 'live', counters: {} }
      const log = { epoch, durableSequence, committedSequence: durableSequence, promised: epoch, lastEpoch: epoch }
      const body: StoreStatus = { name: voter, voter, ...ports, ...log, life, lives: {} }
      this.reign.onStatus(body, this.nowUs)
    })
    this.reign.onHeartbeat(epoch, 5, 'open', this.nowUs, { nextSequence: next, stableSequence: stable })
  }
}

test('voters that are there, and do not get what is published: after a while it is claimed', (t) => {
  const standby = new Standby().pass(10_000_000)
  t.strictSame(standby.claims, [], 'nothing waits to become stable')
  const fromUs = standby.nowUs
  standby.pass(STALL_US - 200_000, (view) => view.next++)
  t.strictSame(standby.claims, [], 'not yet')
  standby.pass(600_000, (view) => view.next++)
  t.equal(standby.claims[0]?.epoch, 2)
  t.match(standby.reasons, [/nothing becomes stable/])
  t.ok((standby.claims[0]?.atUs ?? 0) - fromUs <= STALL_US + 200_000)
  t.end()
})

test('one of three voters that gets everything is no majority; a sequencer that is deaf to all is found, too', (t) => {
  const one = new Standby().pass(STALL_US + 500_000, (view) => {
    view.next++
    view.durable = [view.next - 1, 10, 10]
  })
  t.equal(one.claims.length, 1)
  const deaf = new Standby().pass(STALL_US + 500_000, (view) => {
    view.next++
    view.durable = [view.next - 1, view.next - 1, view.next - 1]
  })
  t.equal(deaf.claims.length, 1, 'the voters have it all, and it does not hear that')
  t.end()
})

test('a slow disk, a voter that catches up, voters that are gone or have lost their disks: no takeover would help', (t) => {
  const slow = new Standby().pass(60_000_000, (view) => {
    view.next++
    if (view.next % 20 === 0) {
      view.stable = view.next - 1
      view.durable = [view.stable, view.stable, view.stable]
    }
  })
  t.strictSame(slow.claims, [], 'two seconds for each sync')
  let caughtUp = 0
  const catching = new Standby()
  catching.view.stable = 900
  catching.view.next = 901
  catching.view.durable = [900, 0, undefined]
  catching.pass(60_000_000, (view) => {
    view.next++
    caughtUp++
    view.durable = [view.next - 1, caughtUp, undefined]
  })
  t.strictSame(catching.claims, [])
  const alone = new Standby()
  alone.view.durable = [10, undefined, undefined]
  t.strictSame(alone.pass(60_000_000, (view) => view.next++).claims, [])
  const empty = new Standby()
  empty.view.life = 0
  t.strictSame(empty.pass(60_000_000, (view) => view.next++).claims, [])
  const told = new Standby(true)
  t.strictSame(told.pass(60_000_000, (view) => view.next++).claims, [], 'an operator decides')
  t.end()
})

test('voters come back after an outage: the sequencer gets its time to make stable what waits', (t) => {
  const standby = new Standby().pass(1_000_000)
  standby.view.durable = [10, undefined, undefined]
  standby.pass(20_000_000, (view) => view.next++)
  standby.view.durable = [10, 10, undefined]
  standby.pass(1_500_000, (view) => view.next++)
  standby.pass(20_000_000, (view) => {
    view.next++
    view.stable = view.next - 1
    view.durable = [view.stable, view.stable, undefined]
  })
  t.strictSame(standby.claims, [])
  standby.view.durable = [standby.view.stable, undefined, undefined]
  standby.pass(20_000_000, (view) => view.next++)
  standby.view.durable = [standby.view.stable, standby.view.stable, undefined]
  standby.pass(STALL_US + 500_000, (view) => view.next++)
  t.equal(standby.claims.length, 1, 'and no more than its time')
  t.end()
})

test('where a new reign does not help either the next suspicion takes twice as long', (t) => {
  const standby = new Standby()
  standby.pass(100_000_000, (view) => {
    view.next++
    // Somebody else is always a little faster.
    const claimed = standby.claims.at(-1)?.epoch ?? 1
    view.epoch = claimed
  })
  const gaps = standby.claims.slice(1).map(({ atUs }, i) => atUs - (standby.claims[i]?.atUs ?? 0))
  t.ok(standby.claims.length >= 3 && standby.claims.length <= 6, `${standby.claims.length} claims in 100 s`)
  t.ok(
    gaps.every((gap, i) => i === 0 || gap > (gaps[i - 1] ?? 0) * 1.5),
    gaps.join(),
  )
  standby.pass(1_000_000, (view) => {
    view.next++
    view.stable = view.next - 1
    view.durable = [view.stable, view.stable, view.stable]
  })
  const before = standby.claims.length
  standby.pass(STALL_US + 500_000, (view) => view.next++)
  t.equal(standby.claims.length, before + 1, 'once something was stable it is as at first')
  t.end()
})

test('an own pause is no stall', (t) => {
  const standby = new Standby()
  for (let i = 0; i < 10; i++) {
    standby.pass(1_000_000, (view) => view.next++)
    standby.nowUs += 2_000_000
  }
  t.strictSame(standby.claims, [])
  t.end()
})
