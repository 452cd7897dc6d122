/** A replica as a process would run it, on real sockets, with a sequencer beside it. */
import { createSocket } from 'node:dgram'
import { test } from 'tap'
import { defineComponent } from '../../src/component/definition.js'
import { silentLogger } from '../../src/core/log.js'
import type { ComponentRoleOptions } from '../../src/runtime/component-options.js'
import { type ComponentRole, startComponent } from '../../src/runtime/component-role.js'
import { ControlLink } from '../../src/runtime/control-link.js'
import { DutyCycle } from '../../src/runtime/duty-cycle.js'
import { type RoleOptions, SILENCE_US, STATUS_EVERY_US } from '../../src/runtime/options.js'
import { randomIncarnation, systemPlatform } from '../../src/runtime/platform.js'
import { startSequencer } from '../../src/runtime/sequencer-role.js'
import type { AdminAction, ComponentStatus } from '../../src/wire/control.js'
import { desk, deskDefinition } from '../component/desk.js'

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

/** Decides as an operator would, and hears what the replicas say of themselves. */
class Operator {
  readonly #control: ControlLink
  readonly #cycle: DutyCycle
  #onStatus: (status: ComponentStatus) => void = () => {}

  private constructor(control: ControlLink, cycle: DutyCycle) {
    this.#control = control
    this.#cycle = cycle
    control.listen((message) => {
      if (message.kind === 'component') this.#onStatus(message.body)
    })
  }

  static async open(options: RoleOptions): Promise<Operator> {
    const cycle = new DutyCycle(systemPlatform(), 'block')
    cycle.start()
    return new Operator(await ControlLink.open(options, randomIncarnation(), cycle, () => {}), cycle)
  }

  decide(action: AdminAction, instance: string): Promise<void> {
    const nonce = randomIncarnation()
    const request = { nonce, action, component: desk.name, instance, incarnation: 0, expectedTerm: 0, reason: 'test' }
    return new Promise((resolve) => {
      const repeat = setInterval(() => this.#control.send('adminRequest', request), 20)
      const unlisten = this.#control.listen((message) => {
        if (message.kind !== 'adminReply' || message.body.nonce !== nonce || message.body.error !== '') return
        clearInterval(repeat)
        unlisten()
        resolve()
      })
    })
  }

  /** Resolves when an instance has said so many times, in a row and since now, that it is in a state. */
  states(instance: string, state: string, times: number): Promise<void> {
    let left = times
    return new Promise((resolve) => {
      this.#onStatus = (status) => {
        if (status.instance !== instance) return
        left = status.state === state ? left - 1 : times
        if (left === 0) resolve()
      }
    })
  }

  close(): void {
    this.#cycle.stop()
    this.#control.close()
  }
}

/** So many statuses that a replica would have offered itself again in between, were it to do so. */
const LONG_ENOUGH = Math.ceil((3 * SILENCE_US) / STATUS_EVERY_US)

test('what an operator decides stands, also against a replica that once offered itself', async (t) => {
  const options = await streams()
  const sequencer = await startSequencer({ ...options, voters: [], requestPort: 0 })
  const operator = await Operator.open(options)
  const roles: ComponentRole[] = []
  const start = async (instance: string, standby: boolean): Promise<void> => {
    roles.push(await startComponent(desk, { ...options, instance, standby, guard: false }))
  }
  await start('b', true)
  await operator.states('b', 'standby', LONG_ENOUGH)
  t.pass('a standby does not begin')
  await start('a', false)
  await operator.states('a', 'active', 1)
  roles.reverse()

  await operator.decide('activate', 'b')
  await operator.states('b', 'active', LONG_ENOUGH)
  t.equal(roles[0]?.host.state, 'standby', 'the replica that was relieved does not come back by itself')

  await operator.decide('passivate', '')
  await operator.states('b', 'standby', LONG_ENOUGH)
  t.equal(roles[0]?.host.state, 'standby', 'nobody is active until an operator says so')

  await start('c', false)
  await operator.states('c', 'standby', LONG_ENOUGH)
  t.pass('a newcomer respects it too')

  await operator.decide('activate', 'a')
  await operator.states('a', 'active', 1)
  for (const role of roles) await role.stop('test')
  operator.close()
  await sequencer.stop('test')
})

test('who waits takes over from who goes: the standby, and who was relieved before; but not where it is told to wait', async (t) => {
  const options = await streams()
  const sequencer = await startSequencer({ ...options, voters: [], requestPort: 0 })
  const operator = await Operator.open(options)
  const start = (instance: string, more: Partial<ComponentRoleOptions>): Promise<ComponentRole> =>
    startComponent(desk, { ...options, instance, standby: true, guard: false, suspectUs: 300_000, ...more })
  const a = await start('a', { standby: false })
  await operator.states('a', 'active', 1)
  const manual = await start('m', { manual: true })
  const late = await start('c', { rank: 3 })
  const b = await start('b', { rank: 1 })
  for (const instance of ['m', 'c', 'b']) await operator.states(instance, 'standby', 1)
  await a.stop('test')
  await operator.states('b', 'active', 1)
  t.match(b.host.reason, 'term 2: a was stopped', 'the least rank comes first, and says why')
  await operator.states('b', 'active', LONG_ENOUGH)
  t.equal(b.host.status().term, 2, 'and that is all')
  await operator.decide('activate', 'c')
  await operator.states('c', 'active', 1)
  await late.stop('test')
  await operator.states('b', 'active', 1)
  t.equal(b.host.status().term, 4)
  await b.stop('test')
  await operator.states('m', 'standby', LONG_ENOUGH)
  t.equal(manual.host.status().term, 4, 'nobody is active until an operator says so')
  await manual.stop('test')
  operator.close()
  await sequencer.stop('test')
})

test('hot-hot replicas are active together, and the rest goes on when one stops', async (t) => {
  const options = await streams()
  const sequencer = await startSequencer({ ...options, voters: [], requestPort: 0 })
  const operator = await Operator.open(options)
  const component = defineComponent(deskDefinition({ hotHot: true }))
  const start = (instance: string, standby: boolean): Promise<ComponentRole> =>
    startComponent(component, { ...options, instance, standby, guard: false })
  const b = await start('b', true)
  const a = await start('a', false)
  await operator.states('b', 'active', 1)
  t.equal(a.host.state, 'active')
  await a.stop('test')
  await operator.states('b', 'active', LONG_ENOUGH)
  t.equal(b.host.status().term, 1, 'there was nothing to take over')
  await b.stop('test')
  operator.close()
  await sequencer.stop('test')
})
