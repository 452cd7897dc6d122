/** The LAN falls apart: whoever has no majority makes nothing stable, and nobody stays on a lost branch. */

import { MEMBERS, VOTERS } from './members.js'
import { scenario } from './scenario.js'
import { type System, sleep } from './system.js'

const PARTED_MS = 2_000
const LOSS = { lossPercent: 1 }
const rest = (some: readonly string[]): string[] => MEMBERS.filter((name) => !some.includes(name))

/** Parts the active sequencer and `others` from the rest, for a while: the old reign makes nothing stable, the new one does. */
async function parts(system: System, others: readonly string[]): Promise<{ readonly lostEvents: number }> {
  const { active, epoch } = system
  const minority = [active, ...others]
  system.lan.part(minority, rest(minority))
  const tookMs = await system.takeover(epoch, performance.now())
  const old = system.watcher.reigns.get(epoch)
  const { stable = 0 } = old ?? {}
  await sleep(Math.max(0, PARTED_MS - tookMs))
  if ((old?.stable ?? 0) > stable) throw new Error('two reigns make events stable')
  const lostEvents = (old?.next ?? 0) - 1 - stable
  system.lan.heal()
  await system.until('the old sequencer steps down', () => system.log(active).includes('stepped down'))
  await system.goesOn('healed')
  await system.othersStandBy()
  for (const voter of VOTERS) await system.isBack(voter)
  return { lostEvents }
}

scenario('the sequencer with one voter is parted from the rest, three times', LOSS, async (system) => {
  for (const voter of VOTERS) await parts(system, [voter])
})

scenario('the clients are on the losing side: what is revoked is sequenced again', LOSS, async (system, t) => {
  for (const voter of VOTERS) {
    const { lostEvents } = await parts(system, [voter, 'x', 'p1', 'p2'])
    t.ok(lostEvents > 100, `${lostEvents} events were published in vain`)
  }
})

scenario('the replicas are on two sides, and the sender on either', LOSS, async (system) => {
  await parts(system, ['a', 'p1'])
  await parts(system, ['b', 'p2'])
  await parts(system, ['c', 'p1', 'x'])
  await parts(system, ['a', 'p2', 'x'])
})

scenario('the sequencer is parted from everybody, and the next one too', LOSS, async (system) => {
  for (let round = 0; round < 4; round++) await parts(system, [])
})

scenario('nobody hears the sequencer, which hears all: it steps down at once', LOSS, async (system, t) => {
  for (let round = 0; round < 3; round++) {
    const { active, epoch } = system
    system.lan.cut([active], MEMBERS)
    const cutMs = performance.now()
    await system.takeover(epoch, cutMs)
    await system.until(
      'the old sequencer steps down',
      () => system.watcher.sequencers.get(system.lan.host(active).address)?.state === 'standby',
    )
    t.comment(`stepped down after ${(performance.now() - cutMs).toFixed(0)} ms, before the link was healed`)
    await system.goesOn('under the other sequencer')
    system.lan.heal()
    await sleep(300)
  }
})

scenario(
  'everybody hears the sequencer, which hears nobody: what it publishes becomes stable under another one',
  LOSS,
  async (system, t) => {
    for (let round = 0; round < 3; round++) {
      const { active, epoch } = system
      system.lan.cut(MEMBERS, [active])
      const tookMs = await system.takeover(epoch, performance.now())
      t.comment(`takeover: ${tookMs.toFixed(0)} ms`)
      await system.goesOn('under the other sequencer')
      system.lan.heal()
      await system.othersStandBy()
    }
  },
)

scenario('the voters do not hear the sequencer, everybody else does', LOSS, async (system, t) => {
  for (let round = 0; round < 3; round++) {
    const { active, epoch } = system
    system.lan.cut([active], VOTERS)
    const tookMs = await system.takeover(epoch, performance.now())
    t.comment(`takeover: ${tookMs.toFixed(0)} ms`)
    await system.goesOn('under the other sequencer')
    system.lan.heal()
    await system.othersStandBy()
  }
})

scenario('everybody is parted from everybody, again and again', LOSS, async (system) => {
  for (let round = 0; round < 4; round++) {
    for (const name of MEMBERS) system.lan.part([name], MEMBERS)
    await sleep(600 + 400 * round)
    system.lan.heal()
    await system.goesOn('healed')
  }
  system.watcher.forget()
  await system.othersStandBy()
})
