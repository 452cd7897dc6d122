/** The active sequencer dies, or sleeps and comes back. */
import type { Test } from 'tap'
import { scenario } from './scenario.js'
import { type System, sleep } from './system.js'

const TAKEOVER_MS = 5_000
const SLEEP_MS = 5_000

for (const lossPercent of [0, 2]) {
  scenario(
    `kill -9 of the active sequencer, three times, ${lossPercent} % loss`,
    { lossPercent },
    async (system, t) => {
      for (let round = 1; round <= 3; round++) {
        const { active, epoch } = system
        const killedMs = performance.now()
        await Promise.all([system.kill(active), takenOver(system, t, epoch, killedMs)])
        await system.goesOn('after the takeover')
        system.start(active)
        await system.othersStandBy()
      }
    },
  )

  scenario(`SIGSTOP of the active sequencer for 5 s, ${lossPercent} % loss`, { lossPercent }, async (system, t) => {
    const { active, epoch } = system
    const stoppedMs = performance.now()
    system.pause(active)
    await takenOver(system, t, epoch, stoppedMs)
    await system.goesOn('while the old sequencer sleeps')
    await sleep(Math.max(0, SLEEP_MS - (performance.now() - stoppedMs)))
    const reign = system.epoch
    system.watcher.forget()
    system.resume(active)
    await system.until('the old sequencer steps down', () => system.log(active).includes('stepped down'))
    await system.othersStandBy()
    await system.goesOn('after the old sequencer is back')
    t.equal(system.epoch, reign, 'nobody claimed again')
  })
}

scenario('the active sequencer sleeps for about as long as a standby waits, ten times', {}, async (system, t) => {
  const first = system.epoch
  for (let round = 0; round < 10; round++) {
    const { active } = system
    system.pause(active)
    await sleep(250 + 30 * round)
    system.resume(active)
    await system.goesOn(`after pause ${round + 1}`, 300)
  }
  await system.othersStandBy()
  t.comment(`${system.epoch - first} takeovers`)
})

scenario('both sequencers sleep, and wake up one after the other', {}, async (system) => {
  const { active } = system
  const passive = system.sequencers.find((name) => name !== active) ?? ''
  system.pause(passive)
  await sleep(1_000)
  system.pause(active)
  await sleep(1_000)
  system.resume(passive)
  await sleep(200)
  system.resume(active)
  await system.goesOn('after both are back')
  system.watcher.forget()
  await system.othersStandBy()
})

scenario(
  'SIGTERM of the active sequencer, four times: the other one takes over at once',
  { lossPercent: 1 },
  async (system, t) => {
    for (let round = 1; round <= 4; round++) {
      const { active, epoch } = system
      const stopped = system.stop(active)
      await takenOver(system, t, epoch, performance.now())
      await stopped
      await system.goesOn('after the takeover')
      system.start(active)
      await system.othersStandBy()
    }
  },
)

async function takenOver(system: System, t: Test, epoch: number, fromMs: number): Promise<void> {
  const tookMs = await system.takeover(epoch, fromMs)
  t.comment(`takeover: ${tookMs.toFixed(0)} ms to stable events of epoch ${system.epoch}`)
  t.ok(tookMs < TAKEOVER_MS, 'in time')
}
