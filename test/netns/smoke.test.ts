/** The LAN of namespaces works, and a system on it rides out a cut. `npm run test-netns` has the rest. */

import { MEMBERS } from './members.js'
import { scenario } from './scenario.js'

scenario(
  'the active sequencer is cut off from everybody: the other one goes on',
  { lossPercent: 1 },
  async (system, t) => {
    const { active, epoch } = system
    system.lan.part([active], MEMBERS)
    const tookMs = await system.takeover(epoch, performance.now())
    t.comment(`takeover: ${tookMs.toFixed(0)} ms`)
    await system.goesOn('under the other sequencer')
    system.lan.heal()
    await system.othersStandBy()
  },
)
