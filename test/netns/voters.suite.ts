/** Three voters: any one may be lost in any way, and comes back by itself. Two lost hold the session, and lose nothing. */

import { MEMBERS, VOTERS, type Voter } from './members.js'
import { scenario } from './scenario.js'
import { type System, sleep } from './system.js'

const LOSS = { lossPercent: 1 }
/** Nothing may become stable for so long. */
const STILL_MS = 2_000

/** How a voter is lost, and how it is there again. */
const LOSSES: readonly {
  readonly name: string
  lose(system: System, voter: Voter): Promise<void> | void
  bring(system: System, voter: Voter): void
}[] = [
  { name: 'killed', lose: (system, voter) => system.kill(voter), bring: (system, voter) => system.start(voter) },
  {
    name: 'restarted empty',
    lose: async (system, voter) => {
      await system.kill(voter)
      system.empty(voter)
    },
    bring: (system, voter) => system.start(voter),
  },
  { name: 'parted', lose: ({ lan }, voter) => lan.part([voter], MEMBERS), bring: ({ lan }) => lan.heal() },
  { name: 'deaf', lose: ({ lan }, voter) => lan.cut(MEMBERS, [voter]), bring: ({ lan }) => lan.heal() },
  { name: 'mute', lose: ({ lan }, voter) => lan.cut([voter], MEMBERS), bring: ({ lan }) => lan.heal() },
  { name: 'asleep', lose: (system, voter) => system.pause(voter), bring: (system, voter) => system.resume(voter) },
]

for (const { name, lose, bring } of LOSSES) {
  scenario(`each of three voters in turn is ${name}, 1 % loss`, LOSS, async (system, t) => {
    const { epoch } = system
    for (const voter of VOTERS) {
      await lose(system, voter)
      await system.goesOn(`without ${voter}`, 2_000)
      bring(system, voter)
      await system.isBack(voter)
      await system.goesOn(`with ${voter}`)
    }
    t.equal(system.epoch, epoch, 'the sequencer was never replaced')
  })

  scenario(`the sequencer is killed while a voter is ${name}, 1 % loss`, LOSS, async (system, t) => {
    for (const voter of VOTERS) {
      const { active, epoch } = system
      await lose(system, voter)
      await sleep(100)
      const killedMs = performance.now()
      await system.kill(active)
      const tookMs = await system.takeover(epoch, killedMs)
      t.comment(`takeover without ${voter}: ${tookMs.toFixed(0)} ms`)
      await system.goesOn(`without ${voter}`)
      bring(system, voter)
      system.start(active)
      await system.isBack(voter)
      await system.othersStandBy()
    }
  })
}

for (const { name, lose, bring } of LOSSES.filter(({ name }) => name !== 'restarted empty')) {
  scenario(
    `two of three voters are ${name}: nothing becomes stable, and all goes on with one of them`,
    {},
    async (system, t) => {
      await lose(system, 'a')
      await system.goesOn('with two voters')
      await lose(system, 'b')
      // What was acknowledged before is on its way yet.
      await sleep(300)
      const { stable, epoch } = system
      const published = system.watcher.reign?.next ?? 0
      await sleep(STILL_MS)
      t.equal(system.stable, stable, 'nothing became stable')
      t.ok((system.watcher.reign?.next ?? 0) > published, 'events are still published')
      t.equal(system.epoch, epoch, 'and nobody claims')
      bring(system, 'b')
      await system.goesOn('with one of them back')
      bring(system, 'a')
      await system.isBack('a')
      await system.isBack('b')
      const logs = system.sequencers.map((name) => system.log(name)).join('')
      t.notMatch(logs, 'nothing becomes stable under', 'the sequencer is not to blame for voters that are gone')
    },
  )
}

scenario(
  'two of three voters are killed until the window is full: the sequencer says so, holds its clients, and goes on',
  {},
  async (system, t) => {
    const ballast = system.startBallast()
    await system.goesOn('with ballast')
    await system.kill('a', 'b')
    await system.until('a sequencer that holds', () => system.watcher.reign?.state === 'held')
    const { stable } = system
    const next = system.watcher.reign?.next
    await sleep(STILL_MS)
    t.match(system.log(system.active), 'the window is full of events that are not yet stable')
    t.equal(system.stable, stable, 'nothing became stable')
    t.equal(system.watcher.reign?.next, next, 'and nothing is published any more')
    t.equal(system.watcher.reign?.state, 'held')
    system.start('b')
    await system.until('an open sequencer', () => system.watcher.reign?.state === 'open')
    await system.goesOn('with one of them back')
    system.start('a')
    await system.isBack('a')
    await ballast.end()
  },
)
