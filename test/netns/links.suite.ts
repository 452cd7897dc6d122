/** Bad links: much loss, little bandwidth, disorder; and a failover on them. */
import type { Test } from 'tap'
import { scenario } from './scenario.js'
import type { System, SystemOptions } from './system.js'

const LINKS: readonly (readonly [string, SystemOptions])[] = [
  ['5 % loss', { lossPercent: 5 }],
  ['10 % loss', { lossPercent: 10, rate: 1_000 }],
  ['links of 10 Mbit/s', { megabits: 10 }],
  ['delay, disorder and repeats', { isDisturbed: true }],
  ['all of it', { isDisturbed: true, lossPercent: 3, megabits: 20, rate: 1_000 }],
]

for (const [name, options] of LINKS) {
  scenario(`${name}, and the sequencer is killed`, options, killSequencer)
  scenario(`${name}, and the sequencer sleeps`, options, async (system) => {
    const { active, epoch } = system
    system.pause(active)
    await system.takeover(epoch, performance.now())
    await system.goesOn('while it sleeps', 2_000)
    system.resume(active)
    await system.until('it steps down', () => system.log(active).includes('stepped down'))
    await system.goesOn('after it woke up', 1_000)
    await system.othersStandBy()
  })
}

async function killSequencer(system: System, t: Test): Promise<void> {
  await system.goesOn('before', 2_000)
  const { active, epoch } = system
  const killedMs = performance.now()
  await system.kill(active)
  t.comment(`takeover: ${(await system.takeover(epoch, killedMs)).toFixed(0)} ms`)
  await system.goesOn('after', 2_000)
  system.start(active)
  await system.othersStandBy()
}
