/** At ten times the rate of the other scenarios: full outboxes, full packets, long lost branches. */

import { MEMBERS, VOTERS } from './members.js'
import { scenario } from './scenario.js'
import { sleep } from './system.js'

const FAST = { rate: 10_000 }

scenario('10,000 messages a second: the sequencer is killed, three times', FAST, async (system, t) => {
  for (let round = 1; round <= 3; round++) {
    await system.goesOn('before', 10_000)
    const { active, epoch } = system
    const killedMs = performance.now()
    await system.kill(active)
    t.comment(`takeover: ${(await system.takeover(epoch, killedMs)).toFixed(0)} ms`)
    system.start(active)
    await system.othersStandBy()
  }
})

scenario('10,000 messages a second: the clients are on the losing side', FAST, async (system, t) => {
  for (const voter of VOTERS) {
    await system.goesOn('before', 10_000)
    const { active, epoch } = system
    const minority = [active, voter, 'x', 'p1', 'p2']
    system.lan.part(
      minority,
      MEMBERS.filter((name) => !minority.includes(name)),
    )
    await system.takeover(epoch, performance.now())
    await sleep(1_500)
    const { next = 0, stable = 0 } = system.watcher.reigns.get(epoch) ?? {}
    t.comment(`${next - 1 - stable} events were published in vain`)
    system.lan.heal()
    await system.goesOn('healed', 10_000)
    await system.isBack(voter)
    await system.othersStandBy()
  }
})

scenario('10,000 messages a second: a voter sleeps for longer than requests can make up for', FAST, async (system) => {
  for (const voter of VOTERS) {
    system.pause(voter)
    await system.goesOn(`without ${voter}`, 30_000)
    system.resume(voter)
    await system.isBack(voter)
  }
})
