/** Virtual time, processes that are killed and stopped, and a world that repeats itself from its seed. */
import { test } from 'tap'
import { delay } from '../../src/core/timers.js'
import { SimCrash } from '../../src/sim/world.js'
import { newWorld, SECOND_US, stations } from './rig.js'

test('timers are never early, in order, and can be cancelled and begun again', async (t) => {
  const world = newWorld()
  const { timers, clock } = world.addMachine('a').boot()
  const order: string[] = []
  const startUs = clock.nowUs()
  const note = (name: string) => (): void => {
    order.push(`${name} ${Math.floor((clock.nowUs() - startUs) / 1000)}`)
  }
  timers.after(20, note('second'))
  timers.after(5, note('first'))
  const cancelled = timers.after(10, note('never'))
  const again = timers.after(30, note('again'))
  cancelled.cancel()
  cancelled.restart()
  world.at(25_000, () => again.restart())
  timers.defer(note('deferred'))
  t.equal(await world.run({ deadlineUs: SECOND_US }), 'idle')
  t.strictSame(order, ['deferred 0', 'first 5', 'second 20', 'again 55'])
})

test('what is deferred in one turn runs in order, also when it is deferred again', async (t) => {
  const world = newWorld()
  const { timers } = world.addMachine('a').boot()
  const order: number[] = []
  const later = (i: number): void => {
    timers.defer(() => {
      order.push(i)
      if (i < 10) later(i + 10)
    })
  }
  for (let i = 0; i < 10; i++) later(i)
  await world.run({ deadlineUs: SECOND_US })
  t.strictSame(
    order,
    Array.from({ length: 20 }, (_, i) => i),
  )
})

test('the run ends at its deadline, and goes on', async (t) => {
  const world = newWorld()
  const { timers } = world.addMachine('a').boot()
  let ticks = 0
  const tick = (): void => {
    ticks += 1
    timers.after(100, tick)
  }
  timers.after(100, tick)
  t.equal(await world.run({ deadlineUs: 550_000 }), 'deadline')
  t.equal(ticks, 5)
  t.equal(world.nowUs, 550_000)
  t.equal(await world.run({ deadlineUs: 10 * SECOND_US, until: () => ticks === 12 }), 'until')
  t.equal(ticks, 12)
})

test('promises that wait for virtual time go on', async (t) => {
  const world = newWorld()
  const { timers, clock } = world.addMachine('a').boot()
  const startUs = clock.nowUs()
  let doneUs = 0
  const work = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) await delay(timers, 10)
    doneUs = clock.nowUs() - startUs
  }
  void work()
  await world.run({ deadlineUs: SECOND_US })
  t.ok(doneUs >= 50_000 && doneUs < 52_000, `after ${doneUs} us`)
})

test('a killed process runs no more, says no more and hears no more; the next one is another', async (t) => {
  const world = newWorld()
  const [a, b] = await stations(world, ['a', 'b'])
  if (a === undefined || b === undefined) throw new Error('no stations')
  let ran = 0
  a.platform.timers.after(10, () => {
    ran += 1
  })
  b.sender.send(Uint8Array.of(1))
  a.platform.process.machine.kill()
  a.sender.send(Uint8Array.of(2))
  b.sender.send(Uint8Array.of(3))
  await world.run({ deadlineUs: SECOND_US })
  t.equal(ran, 0)
  t.strictSame(a.heard, [], 'not even what was on its way')
  t.strictSame(
    b.heard.map(({ bytes }) => bytes),
    [[1], [3]],
    'the other one hears itself only',
  )
  const { machine } = a.platform.process
  const second = machine.boot()
  t.throws(() => machine.boot(), /runs on machine a/)
  t.equal(machine.boots, 2)
  t.not(second.random(), a.platform.random())
})

test('killed in the midst of a turn: what it does after so many outputs reaches nobody', async (t) => {
  const world = newWorld()
  const [a, b] = await stations(world, ['a', 'b'])
  if (a === undefined || b === undefined) throw new Error('no stations')
  const { machine } = a.platform.process
  machine.killAfter(2)
  a.platform.timers.after(1, () => {
    for (let i = 1; i <= 5; i++) a.sender.send(Uint8Array.of(i))
  })
  await world.run({ deadlineUs: SECOND_US })
  t.strictSame(
    b.heard.map(({ bytes }) => bytes[0]),
    [1, 2],
  )
  t.equal(machine.isRunning, false)
})

test('a stopped process: timers come late, datagrams wait while there is room, and are dropped after that', async (t) => {
  const world = newWorld()
  const [a, b] = await stations(world, ['a', 'b'])
  if (a === undefined || b === undefined) throw new Error('no stations')
  let ranUs = 0
  a.platform.timers.after(10, () => {
    ranUs = world.nowUs
  })
  a.platform.process.machine.pause(500_000)
  t.equal(a.platform.process.machine.isPaused, true)
  world.at(100_000, () => {
    for (let i = 0; i < 300; i++) b.sender.send(new Uint8Array(1000).fill(i))
  })
  await world.run({ deadlineUs: 499_000 })
  t.strictSame([ranUs, a.heard.length], [0, 0])
  await world.run({ deadlineUs: SECOND_US })
  t.equal(a.platform.process.machine.isPaused, false)
  t.ok(ranUs >= 500_000 && ranUs < 501_000)
  t.ok(a.heard.length > 100 && a.heard.length < 200, `${a.heard.length} were kept`)
  t.strictSame(
    a.heard.map(({ bytes }) => bytes[0]),
    Array.from({ length: a.heard.length }, (_, i) => i & 0xff),
    'the first ones, in order',
  )
  t.equal(world.network.counters.overflowed, 300 - a.heard.length)
})

test('a machine at work: what comes meanwhile waits, and is looked at in order', async (t) => {
  const world = newWorld()
  const [a, b] = await stations(world, ['a', 'b'])
  if (a === undefined || b === undefined) throw new Error('no stations')
  a.platform.process.machine.setWork(10_000)
  world.at(100, () => {
    for (let i = 0; i < 50; i++) b.sender.send(Uint8Array.of(i))
  })
  await world.run({ deadlineUs: SECOND_US })
  t.strictSame(
    a.heard.map(({ bytes }) => bytes[0]),
    Array.from({ length: 50 }, (_, i) => i),
  )
  const tookUs = (a.heard.at(-1)?.atUs ?? 0) - (a.heard[0]?.atUs ?? 0)
  t.ok(tookUs > 100_000 && tookUs < 490_000, `${tookUs} us`)
  t.ok((b.heard.at(-1)?.atUs ?? 0) < 1_000, 'the other one is as fast as before')
})

test('the wall clock can be set; the monotonic one can not', (t) => {
  const world = newWorld()
  const machine = world.addMachine('a')
  const { clock } = machine.boot()
  const nowUs = clock.nowUs()
  const wallUs = clock.wallUs(nowUs)
  machine.stepClock(-3 * SECOND_US)
  t.equal(clock.nowUs(), nowUs)
  t.equal(clock.wallUs(nowUs), wallUs - 3 * SECOND_US)
  t.end()
})

test('code that throws ends the run, or its machine', async (t) => {
  const broken = (): never => {
    throw new Error('broken')
  }
  const first = newWorld()
  first.addMachine('a').boot().timers.after(1, broken)
  await t.rejects(first.run({ deadlineUs: SECOND_US }), SimCrash)
  const second = newWorld()
  const crashes: string[] = []
  second.onCrash = ({ name }, error) => crashes.push(`${name} ${error}`)
  const machine = second.addMachine('a')
  machine.boot().timers.after(1, broken)
  await second.run({ deadlineUs: SECOND_US })
  t.strictSame(crashes, ['a Error: broken'])
  t.equal(machine.isRunning, false)
  const third = newWorld()
  third.at(5, broken)
  await t.rejects(third.run({ deadlineUs: SECOND_US }), { message: 'broken' })
})

/** Machines that answer each other at random, under all faults. */
async function chatter(seed: number): Promise<{ hash: number; steps: number; heard: number }> {
  const world = newWorld(seed)
  world.network.setFaults({ loss: 0.05, duplicate: 0.1, reorder: 0.2 })
  const all = await stations(world, ['a', 'b', 'c'])
  for (const { platform, sender } of all) {
    const { prng } = platform.process
    const say = (): void => {
      sender.send(new Uint8Array(prng.integer(1, 50)).fill(prng.integer(0, 255)))
      platform.timers.after(prng.integer(1, 20), say)
    }
    platform.timers.after(1, say)
  }
  world.at(300_000, () => world.machines[0]?.pause(200_000))
  world.at(600_000, () => world.machines[1]?.kill())
  await world.run({ deadlineUs: SECOND_US })
  const heard = all.reduce((sum, station) => sum + station.heard.length, 0)
  return { hash: world.traceHash, steps: world.steps, heard }
}

test('one seed, one run; another seed, another one', async (t) => {
  const first = await chatter(7)
  t.ok(first.heard > 200)
  t.strictSame(await chatter(7), first)
  t.not((await chatter(8)).hash, first.hash)
})

test('streams of random numbers are of their own', (t) => {
  const draw = (seed: number, name: string): number => newWorld(seed).prng(name).nextU32()
  t.equal(draw(1, 'a'), draw(1, 'a'))
  t.not(draw(1, 'a'), draw(1, 'b'))
  t.not(draw(1, 'a'), draw(2, 'a'))
  const world = newWorld()
  const a = world.prng('a')
  const first = [a.nextU32(), a.nextU32()]
  const b = newWorld().prng('a')
  newWorld().prng('b').nextU32()
  t.strictSame([b.nextU32(), b.nextU32()], first)
  t.end()
})
