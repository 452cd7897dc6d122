/** A standby as a process of its own: follows the stream and drives a component with it, and says nothing. */
import { defineComponent } from '../../src/component/definition.js'
import { ComponentHost } from '../../src/component/host.js'
import { defineSchema } from '../../src/component/schema.js'
import { silentLogger } from '../../src/core/log.js'
import { ControlLink } from '../../src/runtime/control-link.js'
import { DutyCycle } from '../../src/runtime/duty-cycle.js'
import { EventLink } from '../../src/runtime/event-link.js'
import type { RoleOptions } from '../../src/runtime/options.js'
import { randomIncarnation, systemPlatform } from '../../src/runtime/platform.js'
import { childArgument, tellParent } from './children.js'

interface Messages {
  Load: { data: Uint8Array }
}

const component = defineComponent<{ events: number }, Messages>({
  name: 'listener',
  schema: defineSchema<Messages>({
    package: 'bench',
    messages: { Load: { type: 256, fields: { data: { id: 1, type: 'bytes' } } } },
    enums: {},
  }),
  state: () => ({ events: 0 }),
  on: {
    Load(state) {
      state.events += 1
    },
  },
})

const options: RoleOptions = { ...childArgument<Omit<RoleOptions, 'logger'>>(), logger: silentLogger }
const fail = (error: Error): void => {
  throw error
}
const incarnation = randomIncarnation()
const cycle = new DutyCycle(systemPlatform(), options.idle)
cycle.start()
const control = await ControlLink.open(options, incarnation, cycle, fail)
const nothing = (): void => {}
const host = new ComponentHost(
  component,
  { session: options.session, instance: `listener-${incarnation}`, incarnation, mode: 'replica' },
  { sendCommands: nothing, stateChanged: nothing, failed: fail },
)
await EventLink.open(
  { ...options, nextSequence: 1, startRewinding: false, askSequencer: true, seed: 1 },
  cycle,
  control,
  {
    deliver: (sequence, count, bytes, start, end, nowUs) => host.onRun(sequence, count, bytes, start, end, nowUs),
    stateChanged: nothing,
    lost: (from, to, reason) => fail(new Error(`lost ${from} to ${to}: ${reason}`)),
    revoked: nothing,
  },
  fail,
)
process.on('message', () => tellParent({ events: host.nextSequence - 1 }))
tellParent({ ready: true })
