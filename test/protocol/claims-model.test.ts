/**
 * A model of claims under faults: whatever is lost, late, cut off, paused, crashed, or comes back without its disk (a minority
 * at a time), no epoch has two reigns, and what was stable is in the log of every later reign. When the faults end, somebody
 * reigns, new events become stable, and every voter votes.
 */
import { type Test, test } from 'tap'
import { CandidateNode } from './claims-candidate.js'
import { type Cluster, type Mutant, VoterNode } from './claims-nodes.js'
import { type Event, type Process, World } from './claims-world.js'

const FAULTS_UNTIL_US = 4_000_000
const CALM_US = 4_000_000

class Violation extends Error {}

interface Reigned {
  readonly epoch: number
  readonly log: readonly Event[]
}

function runSeed(seed: number, voters: number, mutant: Mutant, counts: Map<string, number>): void {
  const world = new World(seed)
  const reigns: Reigned[] = []
  const stable = new Map<number, { epoch: number; event: Event }>()
  const isIn = (log: readonly Event[], { sequence, id }: Event): boolean => log[sequence - 1]?.id === id
  const cluster: Cluster = {
    world,
    mutant,
    voters: [],
    candidates: [],
    count: (what) => counts.set(what, (counts.get(what) ?? 0) + 1),
    opened: (epoch, log) => {
      if (reigns.some((reign) => reign.epoch === epoch)) throw new Violation(`epoch ${epoch} has two reigns`)
      const lost = [...stable.values()].find((one) => one.epoch < epoch && !isIn(log, one.event))
      if (lost !== undefined) throw new Violation(`epoch ${epoch} has lost stable event ${lost.event.sequence}`)
      reigns.push({ epoch, log: [...log] })
      cluster.count('reigns')
    },
    stable: (epoch, event) => {
      const known = stable.get(event.sequence)
      if (known !== undefined && known.event.id !== event.id) throw new Violation(`two stable events ${event.sequence}`)
      const without = reigns.find((reign) => reign.epoch > epoch && !isIn(reign.log, event))
      if (without !== undefined) throw new Violation(`event ${event.sequence} is stable, and not in ${without.epoch}`)
      if (known === undefined || epoch < known.epoch) stable.set(event.sequence, { epoch, event })
      cluster.count('stable events')
    },
  }
  for (let i = 0; i < voters; i++) cluster.voters.push(new VoterNode(cluster, `voter-${i}`))
  for (let i = 0; i < 3; i++) cluster.candidates.push(new CandidateNode(cluster, `candidate-${i}`, i % 2))
  const processes = [...cluster.voters, ...cluster.candidates]
  for (const process of processes) world.after(world.random.integer(0, 100_000), () => process.start())
  const fault = (): void => {
    if (world.nowUs >= FAULTS_UNTIL_US) return
    someFault(cluster, processes)
    world.after(world.random.integer(5_000, 200_000), fault)
  }
  world.after(50_000, fault)
  world.runUntil(FAULTS_UNTIL_US)
  world.isFaulty = false
  world.cuts.clear()
  for (const process of processes) if (!process.isUp) process.start()
  world.runUntil(FAULTS_UNTIL_US + CALM_US / 2)
  const before = stable.size
  world.runUntil(FAULTS_UNTIL_US + CALM_US)
  if (stable.size <= before + 10) throw new Violation('nothing becomes stable any more')
  const silent = cluster.voters.find(({ state }) => state !== 'voting')
  if (silent !== undefined) throw new Violation(`${silent.name} is still ${silent.state}`)
}

function someFault(cluster: Cluster, processes: readonly Process[]): void {
  const { world, voters, candidates } = cluster
  const { random } = world
  const pick = <T>(list: readonly T[]): T => list[random.integer(0, list.length - 1)]!
  const again = (process: Process): void => {
    if (!process.isUp) return
    process.crash()
    world.after(random.integer(500, random.chance(0.3) ? 1_000_000 : 30_000), () => process.isUp || process.start())
  }
  const kind = random.integer(0, 9)
  if (kind <= 1) again(pick(voters))
  else if (kind <= 3) again(candidates.find(({ rule }) => rule !== undefined) ?? pick(candidates))
  else if (kind <= 5) pick(processes).pause(random.integer(20_000, 1_500_000))
  else if (kind <= 7) {
    const cut = `${pick(processes).name}>${pick(processes).name}`
    world.cuts.add(cut)
    world.after(random.integer(20_000, 2_000_000), () => world.cuts.delete(cut))
  } else if (kind === 8) {
    const lone = pick(processes)
    for (const { name } of processes) world.cuts.add(`${name}>${lone.name}`).add(`${lone.name}>${name}`)
    world.after(random.integer(100_000, 1_500_000), () => world.cuts.clear())
  } else {
    const voter = pick(voters)
    const lost = voters.filter(({ hasLost }) => hasLost || voter.hasLost).length
    if (!voter.isUp || lost >= Math.floor((voters.length - 1) / 2)) return
    again(voter)
    voter.loseDisk()
  }
}

function runSeeds(t: Test, voters: number, seeds: number, exercised: readonly string[]): void {
  const counts = new Map<string, number>()
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      runSeed(seed, voters, 'none', counts)
    } catch (error) {
      t.fail(`seed ${seed}, ${voters} voters: ${String(error)}`)
      if (!(error instanceof Violation)) throw error
    }
  }
  t.comment(Object.fromEntries(counts))
  for (const what of exercised) t.ok((counts.get(what) ?? 0) > 0, `${what} happened`)
  t.end()
}

const EXERCISED = ['reigns', 'stable events', 'truncations', 'adopted from own', 'adopted from store', 'suspicions']

const seeds = Number(process.env.CLAIMS_SEEDS ?? 12)

test('three voters', (t) => runSeeds(t, 3, seeds, [...EXERCISED, 'recovered voters']))
test('five voters', (t) => runSeeds(t, 5, seeds / 2, [...EXERCISED, 'recovered voters']))
test('one voter', (t) => runSeeds(t, 1, seeds / 4, ['reigns', 'stable events']))

test('the model notices what would be unsafe', (t) => {
  const mutants: readonly Mutant[] = ['promise-not-kept', 'fence-off', 'empty-votes']
  for (const mutant of mutants) {
    let caught = 0
    for (let seed = 1; seed <= 100 && caught === 0; seed++) {
      try {
        runSeed(seed, 3, mutant, new Map())
      } catch (error) {
        if (!(error instanceof Violation)) throw error
        caught = seed
      }
    }
    t.ok(caught > 0, `${mutant}: caught by seed ${caught}`)
  }
  t.end()
})
