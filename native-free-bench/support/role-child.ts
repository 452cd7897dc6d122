/** One role of a topology as a process of its own, as the command line would start it, with the log in memory. */
import { defineComponent } from '../../src/component/definition.js'
import { defineSchema } from '../../src/component/schema.js'
import { silentLogger } from '../../src/core/log.js'
import { startComponent } from '../../src/runtime/component-role.js'
import type { RoleOptions } from '../../src/runtime/options.js'
import { startSequencer } from '../../src/runtime/sequencer-role.js'
import { startStore } from '../../src/runtime/store-role.js'
import { keepYoungGenerationSmall } from '../../src/runtime/young-generation.js'
import { MemoryEventLog } from '../../src/store/memory-event-log.js'
import { childArgument, tellParent } from './children.js'
import { assertNativeFree } from './native-free.js'
import { reportUsage } from './usage.js'

export interface RoleChildArgument {
  /** `bare`: a process that does nothing. */
  readonly role: 'sequencer' | 'store' | 'component' | 'bare'
  readonly options: Omit<RoleOptions, 'logger'>
  readonly watch: boolean
  readonly voters?: readonly string[]
  /** 0: no Tick events. */
  readonly tickUs?: number
  readonly instance?: string
}

interface Messages {
  Load: { data: Uint8Array }
}

const argument = childArgument<RoleChildArgument>()
// As the command line does.
if (argument.role === 'sequencer' || argument.role === 'store') keepYoungGenerationSmall()
const options: RoleOptions = { ...argument.options, logger: silentLogger }
await start()
assertNativeFree()
reportUsage(argument.watch)
tellParent({ ready: true })

async function start(): Promise<void> {
  switch (argument.role) {
    case 'sequencer': {
      const { voters = [], tickUs = 0 } = argument
      await startSequencer({ ...options, voters, requestPort: 0, tickUs })
      break
    }
    case 'store': {
      const log = new MemoryEventLog({ session: options.session })
      await startStore({ ...options, name: 'a', voter: 'a', requestPort: 0, rewindPort: 0, log })
      break
    }
    case 'component': {
      const instance = argument.instance ?? '1'
      await startComponent(component(), { ...options, instance, standby: false, guard: false })
      break
    }
    case 'bare':
  }
}

function component(): Parameters<typeof startComponent>[0] {
  const schema = defineSchema<Messages>({
    package: 'bench',
    messages: { Load: { type: 256, fields: { data: { id: 1, type: 'bytes' } } } },
    enums: {},
  })
  return defineComponent<{ events: number }, Messages>({
    name: 'idle',
    schema,
    state: () => ({ events: 0 }),
    on: {
      Load(state) {
        state.events += 1
      },
    },
  })
}
