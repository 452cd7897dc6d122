/** When a replica takes a checkpoint, and what becomes of it. */
import { test } from 'tap'
import { type Component, defineComponent } from '../../src/component/definition.js'
import { ComponentHost } from '../../src/component/host.js'
import type { TestReplica } from '../../src/component/test-replica.js'
import { TestSession } from '../../src/component/test-session.js'
import type { Logger } from '../../src/core/log.js'
import { ComponentCheckpoints } from '../../src/runtime/component-checkpoints.js'
import { systemPlatform } from '../../src/runtime/platform.js'
import { CheckpointStore } from '../../src/store/checkpoint-store.js'
import { desk, deskDefinition, deskSchema } from '../component/desk.js'

const EVERY = 10

class Rig {
  readonly session = new TestSession({ manualStability: true })
  readonly replica: TestReplica
  readonly said: string[] = []
  /** Each look at the clock takes so long. */
  stepUs = 0
  #nowUs = 10_000_000

  constructor(component: Component = desk) {
    this.replica = this.session.addReplica(component)
    this.session.settle()
  }

  get host(): ComponentHost {
    return this.replica.host
  }

  /** The bytes of the last event. */
  get event(): Uint8Array {
    let last = new Uint8Array(0)
    this.session.log.read(this.host.nextSequence - 1, 1, (_sequence, _count, bytes, start, end) => {
      last = bytes.slice(start + 2, end)
      return false
    })
    return last
  }

  order(): void {
    this.session.publish(256, deskSchema.encode('Order', { id: this.host.nextSequence, shares: 1 }))
    this.session.settle()
  }

  passUs(us: number): void {
    this.#nowUs += us
  }

  open(directory: string, component: Component = desk): Promise<ComponentCheckpoints> {
    const say = (_fields: object, message: string): void => void this.said.push(message)
    const logger: Logger = { debug: () => {}, info: say, warn: say, error: say }
    const clock = {
      nowUs: () => {
        this.#nowUs += this.stepUs
        return this.#nowUs
      },
      wallUs: () => 0,
    }
    const replica = { session: this.session.session, instance: 'x', logger }
    const options = { directory, every: EVERY, keep: 2 }
    return ComponentCheckpoints.open(component, replica, options, { ...systemPlatform(), clock })
  }
}

async function written(directory: string, session: string): Promise<number[]> {
  const store = await CheckpointStore.open(directory, session, 'read')
  const sequences = store.list('desk').map(({ sequence }) => sequence)
  await store.close()
  return sequences
}

const none = (): ComponentHost => {
  throw new Error('there is nothing to begin at')
}

test('one is due now and then, is written when it is stable, and the newest stay', async (t) => {
  const rig = new Rig()
  const directory = t.testdir()
  const checkpoints = await rig.open(directory)
  checkpoints.begin(Number.POSITIVE_INFINITY, () => rig.host)
  const taken: number[] = []
  for (let i = 0; i < 40; i++) {
    rig.order()
    const last = rig.host.nextSequence - 1
    if (last < checkpoints.dueSequence) continue
    checkpoints.onDue(rig.host, rig.event)
    taken.push(last)
    checkpoints.onStable(last - 1)
    await turns()
    t.notOk((await written(directory, rig.session.session)).includes(last), 'it is not stable yet')
    checkpoints.onStable(last)
    await until(() => checkpoints.counters.checkpointsWritten === taken.length)
  }
  t.ok(taken.length >= 3, `taken after ${taken}`)
  const gaps = taken.slice(1).map((sequence, i) => sequence - (taken[i] ?? 0))
  t.ok(
    gaps.every((gap) => gap >= EVERY / 2 && gap <= 2 * EVERY),
    `${gaps} events apart`,
  )
  await checkpoints.close()
  t.strictSame(await written(directory, rig.session.session), taken.slice(-2))

  const again = await rig.open(directory)
  const [host, used] = again.begin(Number.POSITIVE_INFINITY, (checkpoint) => hostOf(rig, checkpoint))
  t.strictSame([used?.header.sequence, host.nextSequence], [taken.at(-1), taken.at(-1)! + 1])
  const [, older] = again.begin(taken.at(-1)!, (checkpoint) => hostOf(rig, checkpoint))
  t.equal(older?.header.sequence, taken.at(-2), 'before a branch')
  again.foreign(taken.at(-2)!, 'another branch')
  await again.close()
  t.strictSame(await written(directory, rig.session.session), [], 'what is of another branch goes, and all after it')
  t.match(rig.said, [/written at event/])
})

function hostOf(rig: Rig, checkpoint: ConstructorParameters<typeof ComponentHost>[1]['checkpoint']): ComponentHost {
  const options = { session: rig.session.session, instance: 'y', incarnation: 7, mode: 'replica' } as const
  const output = { sendCommands: () => {}, stateChanged: () => {}, failed: () => {} }
  return new ComponentHost(desk, checkpoint === undefined ? options : { ...options, checkpoint }, output)
}

test('what is revoked before it is stable is never written', async (t) => {
  const rig = new Rig()
  const directory = t.testdir()
  const checkpoints = await rig.open(directory)
  checkpoints.begin(Number.POSITIVE_INFINITY, () => rig.host)
  rig.order()
  checkpoints.onDue(rig.host, rig.event)
  const { nextSequence } = rig.host
  t.equal(checkpoints.counters.checkpointsTaken, 1)
  checkpoints.dropFrom(nextSequence)
  checkpoints.onDue(rig.host, rig.event)
  t.equal(checkpoints.counters.checkpointsTaken, 1, 'it still waits, so there is no other one')
  checkpoints.dropFrom(nextSequence - 1)
  checkpoints.onStable(nextSequence)
  await checkpoints.close()
  t.strictSame([await written(directory, rig.session.session), checkpoints.counters.checkpointsWritten], [[], 0])
})

test('the active replica takes one only where nobody waits behind it; at most a twentieth of the time goes into it', async (t) => {
  const rig = new Rig()
  const checkpoints = await rig.open(t.testdir())
  checkpoints.begin(Number.POSITIVE_INFINITY, () => rig.host)
  rig.session.activate('desk', rig.replica)
  rig.session.settle()
  const tries = (): number => {
    checkpoints.onDue(rig.host, rig.event)
    checkpoints.onStable(rig.host.nextSequence)
    return checkpoints.counters.checkpointsTaken
  }
  checkpoints.companyHeard(10_000_000)
  t.equal(tries(), 0)
  t.equal(checkpoints.dueSequence, rig.host.nextSequence + 1_024, 'it is looked at again')
  rig.passUs(1_000_001)
  rig.stepUs = 1_000
  t.equal(tries(), 1, 'alone')
  await until(() => checkpoints.counters.checkpointsWritten === 1)
  rig.passUs(15_000)
  t.equal(tries(), 1, 'it took a millisecond, so the next one waits for twenty')
  rig.passUs(6_000)
  t.equal(tries(), 2)
  await checkpoints.close()
})

test('a state that can’t be kept is said once, and costs nothing more', async (t) => {
  class Book {}
  const { state } = deskDefinition()
  const strange = defineComponent(
    deskDefinition({ state: () => ({ ...state(), book: new Book() }), digestOf: ({ open }) => open }),
  )
  const rig = new Rig(strange)
  const checkpoints = await rig.open(t.testdir(), strange)
  checkpoints.begin(Number.POSITIVE_INFINITY, () => rig.host)
  rig.order()
  checkpoints.onDue(rig.host, rig.event)
  t.equal(checkpoints.dueSequence, Number.POSITIVE_INFINITY)
  t.strictSame(rig.said, ['checkpoint: none can be taken, the component goes on without'])
  await checkpoints.close()
  t.throws(() => checkpoints.begin(1, none), /nothing to begin at/)
})

const turns = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turns()
}
