/** What an event link hands on of the control stream, on real sockets. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type Test, test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import { ControlLink, type ControlListener } from '../../src/runtime/control-link.js'
import { DutyCycle } from '../../src/runtime/duty-cycle.js'
import { EventLink } from '../../src/runtime/event-link.js'
import type { RoleOptions } from '../../src/runtime/options.js'
import { randomIncarnation, systemPlatform } from '../../src/runtime/platform.js'
import type { SequencerHeartbeat } from '../../src/wire/control.js'

async function streams(): Promise<RoleOptions> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return {
    ...{ session: 'LINK', interfaceAddress: '127.0.0.1', stores: [], datagramBytes: 1_400, idle: 'block' as const },
    eventGroup: { group: '239.255.92.1', port },
    commandGroup: { group: '239.255.92.2', port },
    controlGroup: { group: '239.255.92.3', port },
    logger: silentLogger,
  }
}

const heartbeat = (change: Partial<SequencerHeartbeat>): SequencerHeartbeat => ({
  ...{ epoch: 1, nextSequence: 5, stableSequence: 2, publishedIsStable: false, state: 'open', held: false },
  ...{ requestPort: 0, counters: {}, epochTable: [{ epoch: 1, sequence: 1 }] },
  ...change,
})

interface Opened {
  readonly link: EventLink
  /** Of the process that listens. */
  readonly control: ControlLink
  /** Of a sequencer, or a store. */
  readonly other: ControlLink
  say(change: Partial<SequencerHeartbeat>): void
  readonly heard: number[]
}

/** A link that hears one sequencer. @param first listens before the link does */
async function open(t: Test, first: ControlListener = () => {}): Promise<Opened> {
  const options = await streams()
  const cycle = new DutyCycle(systemPlatform(), 'block')
  cycle.start()
  const fail = (error: Error): void => {
    t.error(error)
  }
  const sequencer = await ControlLink.open(options, randomIncarnation(), cycle, fail)
  const control = await ControlLink.open(options, randomIncarnation(), cycle, fail)
  const heard: number[] = []
  control.listen(first)
  const link = await EventLink.open(
    { ...options, nextSequence: 1, startRewinding: false, askSequencer: false, seed: 1 },
    cycle,
    control,
    {
      deliver: () => {},
      stateChanged: () => {},
      lost: () => {},
      revoked: () => {},
      sequencerHeard: ({ stableSequence }) => heard.push(stableSequence),
    },
    fail,
  )
  t.teardown(() => {
    link.close()
    control.close()
    sequencer.close()
    cycle.stop()
  })
  return { link, control, other: sequencer, say: (change) => sequencer.send('sequencer', heartbeat(change)), heard }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2))
}

test('a sequencer that has stepped down says nothing of this stream any more: what it calls stable is of another branch', async (t) => {
  const { say, heard } = await open(t)
  // Believed when it was heard twice.
  const repeat = setInterval(() => say({}), 20)
  await until(() => heard.length > 0)
  clearInterval(repeat)
  for (const state of ['standby', 'claiming', 'adopting']) say({ state, epoch: 2, stableSequence: 77 })
  say({ state: 'standby', epoch: 1, stableSequence: 77 })
  say({ stableSequence: 3 })
  await until(() => heard.includes(3))
  t.notOk(heard.includes(77))
})

test('a reign that is not believed says nothing of this stream, also where its sequencer is the one that is followed', async (t) => {
  const { say, heard } = await open(t)
  const repeat = setInterval(() => say({}), 20)
  await until(() => heard.length > 0)
  clearInterval(repeat)
  // Again and again, so that it is no accident; but its table is none.
  const table = [
    { epoch: 1, sequence: 1 },
    { epoch: 3, sequence: 4 },
  ]
  for (let i = 0; i < 10; i++) {
    say({ epoch: 2, epochTable: table, stableSequence: 77 })
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  say({ stableSequence: 3 })
  await until(() => heard.includes(3))
  t.notOk(heard.includes(77))
})

test('how a session has ended says nothing of the one that the process went on to when it heard that', async (t) => {
  let goOn: () => void = () => {}
  const { link, other } = await open(t, ({ kind, body }) => {
    if (kind === 'store' && body.successor === 'NEXT') goOn()
  })
  let isGone = false
  goOn = () => {
    isGone = true
    link.follow('NEXT', false)
  }
  const table = [
    { epoch: 1, sequence: 1 },
    { epoch: 2, sequence: 3 },
  ]
  const end = heartbeat({ epoch: 2, nextSequence: 9, stableSequence: 8, epochTable: table, state: 'ending' })
  const nothing = { epoch: 0, durableSequence: 8, committedSequence: 8, promised: 2, lastEpoch: 2, counters: {} }
  const says = {
    name: 'a',
    voter: 'a',
    ...nothing,
    requestPort: 1,
    rewindPort: 1,
    state: 'ended',
    successor: 'NEXT',
    end,
  }
  const repeat = setInterval(() => other.sendFor('LINK', 'store', says), 20)
  await until(() => isGone)
  clearInterval(repeat)
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.strictSame(link.receiver.epochTable, [{ epoch: 1, sequence: 1 }])
})
