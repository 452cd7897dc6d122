/**
 * The active replica of a component is lost in any way: the other one takes over by itself, what is owed is sent once, and effects are
 * repeated under their own keys only.
 */

import { MEMBERS, REPLICAS } from './members.js'
import { scenario } from './scenario.js'
import { type System, sleep } from './system.js'

const LOSS = { lossPercent: 1 }
const LOSSES: readonly {
  readonly name: string
  lose(system: System, replica: string): Promise<void> | void
  bring(system: System, replica: string): void
}[] = [
  {
    name: 'killed',
    lose: (system, replica) => system.kill(replica),
    bring: (system, replica) => system.start(replica),
  },
  {
    name: 'asleep',
    lose: (system, replica) => system.pause(replica),
    bring: (system, replica) => system.resume(replica),
  },
  { name: 'parted', lose: ({ lan }, replica) => lan.part([replica], MEMBERS), bring: ({ lan }) => lan.heal() },
  { name: 'mute', lose: ({ lan }, replica) => lan.cut([replica], MEMBERS), bring: ({ lan }) => lan.heal() },
]

for (const { name, lose, bring } of LOSSES) {
  scenario(`the active replica is ${name}, three times: the other one takes over`, LOSS, async (system, t) => {
    for (let round = 1; round <= 3; round++) {
      const lost = await activeReplica(system)
      const fromMs = performance.now()
      await lose(system, lost)
      const other = REPLICAS.find((replica) => replica !== lost) ?? ''
      await system.until('another active replica', () => system.watcher.components.get(other)?.state === 'active')
      t.comment(`takeover: ${(performance.now() - fromMs).toFixed(0)} ms`)
      await system.goesOn('under the other replica', 1_000)
      bring(system, lost)
      await system.until('a standby replica', () => system.watcher.components.get(lost)?.state === 'standby')
    }
  })
}

scenario(
  'the active replica hears nobody, and is heard: there is one active one in the end',
  LOSS,
  async (system, t) => {
    for (let round = 1; round <= 3; round++) {
      const deaf = await activeReplica(system)
      system.lan.cut(MEMBERS, [deaf])
      await sleep(2_000)
      system.lan.heal()
      t.comment(`${await activeReplica(system)} is active after ${deaf} was deaf`)
      await system.goesOn('healed', 1_000)
    }
  },
)

scenario('the sequencer and the active replica are killed together', LOSS, async (system) => {
  for (let round = 1; round <= 3; round++) {
    const lost = await activeReplica(system)
    const { active, epoch } = system
    await system.kill(active, lost)
    await system.takeover(epoch, performance.now())
    await activeReplica(system)
    system.start(active, lost)
    await system.othersStandBy()
    await system.goesOn('with all of them')
  }
})

async function activeReplica(system: System): Promise<string> {
  await system.until('an active replica', () => system.activeReplica !== '')
  return system.activeReplica
}
