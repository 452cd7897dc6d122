/** Faults are played on whom they mean, overlap as they should, and are healed at the end of their time. */
import { test } from 'tap'
import { type RunContext, type RunReport, runOnce } from '../../src/sim/run.js'
import type { Fault } from '../../src/sim/schedule.js'

/** A run of this schedule on sequencers and stores alone; `look` is called at the beginning. */
async function play(faults: readonly Fault[], look: (context: RunContext) => void = () => {}): Promise<RunReport> {
  const parts = (context: RunContext): { components: []; observers: [] } => {
    look(context)
    return { components: [], observers: [] }
  }
  // Three voters and no copy.
  const report = await runOnce({ seed: 3, components: [], parts, faults })
  t3(report)
  return report
}

function t3(report: RunReport): void {
  if (!/^voters a b c; \d sequencers/.test(report.topology)) throw new Error(`another system: ${report.topology}`)
}

const partition = (atUs: number, side: readonly string[], forUs: number): Fault => ({
  kind: 'partition',
  atUs,
  side,
  forUs,
})

test('a link that two faults cut is healed by the end of the second', async (t) => {
  const seen: string[] = []
  const faults = [partition(500_000, ['store-a'], 200_000), partition(600_000, ['store-a', 'store-b'], 400_000)]
  const { violation } = await play(faults, ({ world }) => {
    const machine = (name: string) => {
      const found = world.machines.find((one) => one.name === name)
      if (found === undefined) throw new Error(name)
      return found
    }
    for (const atUs of [450_000, 550_000, 650_000, 750_000, 1_050_000]) {
      world.at(atUs, () => {
        const cuts = ['store-b', 'store-c'].map((other) => world.network.isCut(machine('store-a'), machine(other)))
        seen.push(`${atUs / 1000} ${cuts.join(' ')}`)
      })
    }
  })
  t.equal(violation, undefined)
  t.strictSame(seen, ['450 false false', '550 true true', '650 true true', '750 false true', '1050 false false'])
})

test('an alias is whoever it stands for then, and the report says who', async (t) => {
  const { played, exercised } = await play([
    { kind: 'kill', atUs: 700_000, node: '@sequencer', outputs: 0, forUs: 900_000 },
    { kind: 'kill', atUs: 1_900_000, node: '@sequencer', outputs: 2, forUs: 100_000 },
  ])
  t.match(played[0], /kill @sequencer, start it again after 900 ms \(sequencer-\d\)$/)
  t.match(played[1], /kill @sequencer after 2 more outputs.* \(sequencer-\d\)$/)
  const who = played.map((text) => /\((.*)\)/.exec(text)?.[1])
  t.not(who[0], who[1], 'another one reigns by then')
  t.equal(exercised['fault kill'], 2)
  t.equal(exercised.reigns, 3)
})

test('voters lose their disks only while a majority keep theirs', async (t) => {
  const empty = (atUs: number, node: string, forUs: number): Fault => ({ kind: 'empty', atUs, node, forUs })
  const { played, exercised, violation } = await play([
    empty(100, 'store-a', 10_000), // There is no session yet: nothing to lose.
    empty(800_000, 'store-a', 400_000),
    empty(1_000_000, 'store-b', 100_000), // One is without its data.
    empty(1_900_000, 'store-b', 100_000), // It has recovered by now.
  ])
  t.equal(violation, undefined)
  t.strictSame(
    played.map((text) => !text.endsWith('not played')),
    [false, true, false, true],
  )
  t.equal(exercised.emptyVotersRecovered, 2)
})

test('what would last longer than the faults ends with them', async (t) => {
  const { violation, virtualUs } = await play([
    { kind: 'kill', atUs: 400_000, node: 'store-c', outputs: 0, forUs: 60_000_000 },
    { kind: 'pause', atUs: 500_000, node: 'sequencer-2', forUs: 60_000_000 },
    { kind: 'full-disk', atUs: 600_000, node: 'store-b', forUs: 60_000_000 },
    { kind: 'noise', atUs: 700_000, loss: 1, duplicate: 0, reorder: 0, delayUs: 10, forUs: 60_000_000 },
  ])
  t.equal(violation, undefined)
  t.ok(virtualUs < 20_000_000, `${virtualUs} us`)
})
