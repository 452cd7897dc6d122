/** Schedules are drawn from the seed and from nothing else, stay within their bounds, and can be read by people. */
import { test } from 'tap'
import { Prng } from '../../src/core/prng.js'
import { describeFault } from '../../src/sim/fault-text.js'
import { drawSchedule, type Fault, type FaultKind, namesIn } from '../../src/sim/schedule.js'
import { describeTopology, drawTopology, type Topology } from '../../src/sim/topology.js'

const COMPONENTS = [{ name: 'ledger', replicas: 2 }]
const SPAN = { fromUs: 100_000, toUs: 3_000_000 }

function draw(seed: number): { topology: Topology; faults: Fault[] } {
  const prng = new Prng(seed)
  const topology = drawTopology(prng, COMPONENTS)
  return { topology, faults: drawSchedule(prng, topology, SPAN) }
}

test('one seed is one system with one schedule', (t) => {
  t.strictSame(draw(7), draw(7))
  t.not(JSON.stringify(draw(7)), JSON.stringify(draw(8)))
  t.end()
})

test('faults are in order, in their span, and name who is there', (t) => {
  const kinds = new Set<FaultKind>()
  for (let seed = 1; seed <= 500; seed++) {
    const { topology, faults } = draw(seed)
    t.ok(faults.length > 0 && faults.length <= 32, `${faults.length} faults`)
    const names = new Set([
      '@sequencer',
      '@active:ledger',
      'ledger-1',
      'ledger-2',
      ...topology.sequencers,
      ...[...topology.voters, ...topology.copies].map((id) => `store-${id}`),
    ])
    let lastUs = 0
    for (const fault of faults) {
      kinds.add(fault.kind)
      t.ok(
        fault.atUs >= Math.max(lastUs, SPAN.fromUs) && fault.atUs <= SPAN.toUs + topology.suspectUs,
        describeFault(fault),
      )
      lastUs = fault.atUs
      for (const name of namesIn(fault)) t.ok(names.has(name), `seed ${seed}: ${name}`)
    }
  }
  t.strictSame(
    [...kinds].sort(),
    [
      'activate',
      'busy',
      'clock',
      'cut',
      'empty',
      'full-disk',
      'kill',
      'noise',
      'partition',
      'pause',
      'slow-disk',
      'stop',
    ],
    'every kind is drawn',
  )
  t.end()
})

test('systems differ in voters, copies and sequencers', (t) => {
  const seen = new Set<string>()
  for (let seed = 1; seed <= 200; seed++) {
    const { topology } = draw(seed)
    t.ok(topology.sequencers.length >= 2)
    seen.add(`${topology.voters.length} voters`).add(`${topology.copies.length} copies`)
    seen.add(`${topology.sequencers.length} sequencers`)
  }
  t.strictSame([...seen].sort(), [
    '0 copies',
    '1 copies',
    '1 voters',
    '2 sequencers',
    '3 sequencers',
    '3 voters',
    '5 voters',
  ])
  t.end()
})

test('faults and systems in words', (t) => {
  const faults: Fault[] = [
    { kind: 'kill', atUs: 1_250_000, node: '@sequencer', outputs: 3, forUs: 300_000 },
    { kind: 'empty', atUs: 1_300_000, node: 'store-a', forUs: 45_500 },
    { kind: 'cut', atUs: 1_400_000, from: ['@sequencer'], to: ['store-a', 'store-b'], forUs: 900 },
    { kind: 'noise', atUs: 1_500_000, loss: 0.1, duplicate: 0, reorder: 0.25, delayUs: 2_000, forUs: 12_000_000 },
    { kind: 'clock', atUs: 1_600_000, node: 'store-b', byUs: -3_600_000_000 },
    { kind: 'activate', atUs: 1_700_000, component: 'ledger', instance: 'ledger-2' },
  ]
  t.strictSame(faults.map(describeFault), [
    '  1.250000 s  kill @sequencer after 3 more outputs, start it again after 300 ms',
    '  1.300000 s  kill store-a and wipe its disk, start it again after 45.5 ms',
    '  1.400000 s  cut from @sequencer to store-a, store-b for 900 us',
    '  1.500000 s  network loses 10 %, duplicates 0 %, reorders 25 %, delays up to 2.0 ms, for 12.0 s',
    '  1.600000 s  wall clock of store-b jumps by -3600.0 s',
    '  1.700000 s  operator activates ledger-2 of ledger',
  ])
  t.match(
    describeTopology(draw(1).topology),
    /^voters a b c.*2 x ledger; datagrams of \d+ bytes; suspicion after \d+ ms$/,
  )
  t.end()
})
