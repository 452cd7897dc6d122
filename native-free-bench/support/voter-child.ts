/** Receives the stream in order, checks every event, and acknowledges as a voter does that keeps nothing. */
import { silentLogger } from '../../src/core/log.js'
import { ControlLink } from '../../src/runtime/control-link.js'
import { DutyCycle } from '../../src/runtime/duty-cycle.js'
import { EventLink } from '../../src/runtime/event-link.js'
import type { RoleOptions } from '../../src/runtime/options.js'
import { randomIncarnation, systemPlatform } from '../../src/runtime/platform.js'
import { childArgument, tellParent } from './children.js'
import { assertNativeFree } from './native-free.js'
import { NumberedEvents } from './numbered-events.js'

/** An acknowledgement goes out at most so often. */
const ACKNOWLEDGE_EVERY_US = 200
const STATUS_EVERY_US = 50_000

const { role, voter } = childArgument<{ role: Omit<RoleOptions, 'logger'>; voter: string }>()
const options: RoleOptions = { ...role, logger: silentLogger }
const fail = (error: Error): void => {
  throw error
}
const cycle = new DutyCycle(systemPlatform(), options.idle)
cycle.start()
const control = await ControlLink.open(options, randomIncarnation(), cycle, fail)
const events = new NumberedEvents()
let acknowledged = 0
let acknowledgedUs = 0
const link = await EventLink.open(
  { ...options, nextSequence: 1, startRewinding: false, askSequencer: true, seed: 1 },
  cycle,
  control,
  {
    deliver: (sequence, count, bytes, start) => events.check(sequence, count, bytes, start),
    stateChanged: () => {},
    lost: (from, to, reason) => fail(new Error(`lost ${from} to ${to}: ${reason}`)),
    revoked: () => {},
  },
  fail,
)
cycle.add({ flush: () => {}, tick: acknowledge })
process.on('message', () => {
  const { checked, runs } = events
  tellParent({ checked, runs, gaps: link.receiver.counters.gaps, atUs: performance.now() * 1000 })
})
assertNativeFree()
tellParent({ ready: true })

function acknowledge(nowUs: number): number {
  const durableSequence = events.nextSequence - 1
  const everyUs = durableSequence > acknowledged ? ACKNOWLEDGE_EVERY_US : STATUS_EVERY_US
  if (nowUs - acknowledgedUs < everyUs) return acknowledgedUs + everyUs
  acknowledged = durableSequence
  acknowledgedUs = nowUs
  control.send('store', {
    name: voter,
    voter,
    epoch: 1,
    durableSequence,
    committedSequence: durableSequence,
    requestPort: 0,
    rewindPort: 0,
    state: 'live',
    counters: {},
    promised: 0,
    lastEpoch: 1,
  })
  return nowUs + STATUS_EVERY_US
}
