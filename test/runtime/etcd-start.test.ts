/** A sequencer that is to be chosen by an etcd, and can't be: it says what is wrong. */
import { type Test, test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import type { RoleOptions } from '../../src/runtime/options.js'
import { systemTimers } from '../../src/runtime/platform.js'
import { type SequencerRoleOptions, startSequencer } from '../../src/runtime/sequencer-role.js'
import { startStore } from '../../src/runtime/store-role.js'
import { promiseInMemory } from '../../src/runtime/store-voter.js'
import { MemoryEventLog } from '../../src/store/memory-event-log.js'
import { SESSION } from '../fixtures/event-packets.js'
import { freePort, stage } from '../fixtures/processes.js'

/** Nobody listens there. */
const NOBODY = 'http://127.0.0.1:9'

async function voter(t: Test): Promise<SequencerRoleOptions> {
  const port = await freePort()
  const options: RoleOptions = {
    session: SESSION,
    interfaceAddress: '127.0.0.1',
    eventGroup: { group: '239.255.93.1', port },
    commandGroup: { group: '239.255.93.2', port },
    controlGroup: { group: '239.255.93.3', port },
    stores: [],
    datagramBytes: 1_400,
    idle: 'block',
    logger: silentLogger,
  }
  const ports = { requestPort: 0, rewindPort: 0 }
  const log = new MemoryEventLog({ session: SESSION })
  const store = await startStore({
    ...options,
    ...ports,
    name: 'a',
    voter: 'a',
    log,
    promises: promiseInMemory(systemTimers),
  })
  t.teardown(() => store.stop('test'))
  return { ...options, voters: ['a'], requestPort: 0 }
}

test('no etcd answers: the start fails, and says so', async (t) => {
  const options = await voter(t)
  const start = startSequencer({ ...options, etcd: { endpoints: [NOBODY] }, startTimeoutUs: 1_500_000 })
  await t.rejects(start, { code: 'E_ETCD', message: /127\.0\.0\.1:9/, hint: /--etcd/ })
  const role = await startSequencer(options)
  t.equal(role.sequencer.epoch, 1, 'without one the voters alone decide')
  await role.stop('test')
})

test('an etcd needs voters, and an address', async (t) => {
  const options = await voter(t)
  await t.rejects(startSequencer({ ...options, voters: [], etcd: { endpoints: [NOBODY] } }), { code: 'E_CONFIG' })
  const place = await stage(t)
  const { code, status } = await place.run(['sequencer', ...place.streams, '--voters', 'a', '--etcd', '127.0.0.1:2379'])
  t.strictSame([code, status], ['E_CONFIG', 2])
})
