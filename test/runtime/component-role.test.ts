/** A replica as a process would run it, on real sockets, with a sequencer beside it. */
import { createSocket } from 'node:dgram'
import { test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import { startComponent } from '../../src/runtime/component-role.js'
import type { RoleOptions } from '../../src/runtime/options.js'
import { startSequencer } from '../../src/runtime/sequencer-role.js'
import { desk } from '../component/desk.js'

async function streams(): Promise<RoleOptions> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(() => resolve()))
  return {
    session: 'ROLES',
    interfaceAddress: '127.0.0.1',
    eventGroup: { group: '239.255.91.1', port },
    commandGroup: { group: '239.255.91.2', port },
    controlGroup: { group: '239.255.91.3', port },
    stores: [],
    datagramBytes: 1_400,
    idle: 'block',
    logger: silentLogger,
  }
}

test('a replica asks to be activated also where the network loses packets all the time', async (t) => {
  const options = await streams()
  const sequencer = await startSequencer({ ...options, voters: [], requestPort: 0, tickUs: 2_000 })
  const active = new Promise<void>((resolve) => {
    startComponent(desk, {
      ...options,
      instance: 'a',
      standby: false,
      guard: false,
      faults: { seed: 1, loss: 0.3 },
      onStateChanged: (state) => {
        if (state === 'active') resolve()
      },
    }).then((role) => t.teardown(() => role.stop('test')))
  })
  await active
  t.pass('active')
  await sequencer.stop('test')
})
