/** What a sequencer rebuilds itself from may be another session's, or another configuration's: a refusal, never a crash. */
import { test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import { Sequencer } from '../../src/protocol/sequencer.js'
import { DutyCycle } from '../../src/runtime/duty-cycle.js'
import { systemPlatform, systemTimers } from '../../src/runtime/platform.js'
import { RewindListener } from '../../src/runtime/rewind-listener.js'
import { rebuildFrom, surveySession } from '../../src/runtime/session-start.js'
import { MemoryEventLog } from '../../src/store/memory-event-log.js'
import type { ComponentStatus, StoreStatus } from '../../src/wire/control.js'
import { MOLD_HEADER_BYTES, moldCount, moldSequence } from '../../src/wire/moldudp64.js'

const SESSION = 'RESTART'
const GROUP = { group: '239.255.77.9', port: 7709 }

function sequencerOf(datagramBytes: number, sendEvents: (packet: Uint8Array) => void = () => {}): Sequencer {
  return new Sequencer(
    { session: SESSION, datagramBytes, voters: [], incarnation: 1, requestPort: 1 },
    { sendEvents, sendAnswer: () => {}, sendControl: () => {}, stateChanged: () => {} },
  )
}

/** The record of a session that has begun, with datagrams of 1,400 bytes. */
function recordedSession(): MemoryEventLog {
  const log = new MemoryEventLog({ session: SESSION, durable: 'manual' })
  const first = sequencerOf(1_400, (packet) => {
    const count = moldCount(packet)
    if (count > 0) log.append(moldSequence(packet), count, packet, MOLD_HEADER_BYTES, packet.length, 1)
  })
  first.open(1, 1_000_000)
  log.sync()
  return log
}

async function rebuild(datagramBytes: number): Promise<Sequencer> {
  const log = recordedSession()
  const cycle = new DutyCycle(systemPlatform(), 'block')
  cycle.start()
  const listener = await RewindListener.open({ address: '127.0.0.1', port: 0 }, cycle, silentLogger)
  listener.serve(log.session, log)
  const { committedSequence, durableSequence } = log
  const address = { name: 'a', voter: '', address: '127.0.0.1', rewindPort: listener.port }
  const store = { ...address, committedSequence, durableSequence }
  const groups = { eventGroup: GROUP, commandGroup: GROUP, controlGroup: GROUP }
  const options = {
    ...groups,
    session: SESSION,
    interfaceAddress: '127.0.0.1',
    stores: [],
    datagramBytes,
    idle: 'block',
    logger: silentLogger,
    voters: [],
    requestPort: 0,
  } as const
  const sequencer = sequencerOf(datagramBytes)
  try {
    await rebuildFrom(sequencer, store, committedSequence, options, cycle)
    return sequencer
  } finally {
    await listener.close()
    cycle.stop()
  }
}

test('a session is rebuilt from a store', async (t) => {
  t.equal((await rebuild(1_400)).nextSequence, 2)
})

test('a session that was begun with another datagram size is refused, with the field', async (t) => {
  await t.rejects(rebuild(1_500), { code: 'E_CONFIG', fields: { field: 'datagramBytes', was: 1_400, is: 1_500 } })
})

/** What a sequencer with voter `a` decides after these statuses. */
function survey(...heard: Partial<StoreStatus>[]): ReturnType<typeof surveySession> {
  return surveyAll(heard)
}

/** The same, where a component is heard, too. */
function surveyAll(
  heard: readonly Partial<StoreStatus>[],
  component?: ComponentStatus,
): ReturnType<typeof surveySession> {
  const control: Parameters<typeof surveySession>[1] = {
    listen(listener) {
      const counts = { epoch: 1, durableSequence: 9, committedSequence: 9, requestPort: 7_710, rewindPort: 7_711 }
      for (const status of heard) {
        const epochs = { promised: 0, lastEpoch: 1 }
        const body = { name: 'a', voter: 'a', state: 'live', counters: {}, ...counts, ...epochs, ...status }
        setImmediate(() => listener({ session: SESSION, sender: 1, kind: 'store', body }, '127.0.0.1', 1))
      }
      if (component !== undefined) {
        const body = component
        setImmediate(() => listener({ session: SESSION, sender: 2, kind: 'component', body }, '127.0.0.1', 1))
      }
      return () => {}
    },
  }
  const groups = { eventGroup: GROUP, commandGroup: GROUP, controlGroup: GROUP }
  const others = { datagramBytes: 1_400, idle: 'block', logger: silentLogger, requestPort: 0, stores: [] } as const
  return surveySession(
    { ...groups, ...others, session: SESSION, interfaceAddress: '127.0.0.1', voters: ['a'], startTimeoutUs: 400_000 },
    control,
    systemTimers,
  )
}

test('a store that has stopped is no voter that is there', async (t) => {
  await t.rejects(survey({}, { state: 'stopped' }), { code: 'E_SESSION_NEEDS_STORE' })
})

test('a store that names a port that is none is not rebuilt from, whatever it claims to have', async (t) => {
  const store = await survey({}, { name: 'z', voter: '', committedSequence: 2 ** 50, rewindPort: 70_000 })
  t.match(store, { name: 'a', committedSequence: 9 })
})

test('what is stable is settled, unless a component is there that may wait to be told so', async (t) => {
  const settled = { state: 'ended', promised: 1, life: 5, lives: { a: 5 } }
  t.match(await survey(settled), { name: 'a', isSettled: true })
  t.equal((await survey({ ...settled, promised: 2 }))?.isSettled, undefined)
  const counts = {
    nextSequence: 10,
    term: 0,
    digestSequence: 0,
    digest: new Uint8Array(0),
    outboxCommands: 0,
    counters: {},
  }
  const component = { component: 'oms', instance: 'a', state: 'active', reason: '', ...counts }
  t.equal((await surveyAll([settled], component))?.isSettled, undefined)
})
