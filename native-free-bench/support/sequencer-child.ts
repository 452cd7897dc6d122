/** A sequencer without voters, as a process of its own. */
import { silentLogger } from '../../src/core/log.js'
import type { RoleOptions } from '../../src/runtime/options.js'
import { startSequencer } from '../../src/runtime/sequencer-role.js'
import { keepYoungGenerationSmall } from '../../src/runtime/young-generation.js'
import { childArgument, tellParent } from './children.js'
import { assertNativeFree } from './native-free.js'

keepYoungGenerationSmall()
const options = childArgument<Omit<RoleOptions, 'logger'>>()
await startSequencer({ ...options, logger: silentLogger, voters: [], requestPort: 0, tickUs: 0 })
assertNativeFree()
tellParent({ ready: true })
