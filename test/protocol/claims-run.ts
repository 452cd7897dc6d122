/** One run of the model of claims, and what must hold in it. */
import { CandidateNode } from './claims-candidate.js'
import { ClaimsEtcd } from './claims-etcd.js'
import { type Cluster, type Mutant, VoterNode } from './claims-nodes.js'
import { type Event, type Process, World } from './claims-world.js'

const FAULTS_UNTIL_US = 4_000_000
const CALM_US = 4_000_000

export class Violation extends Error {}

interface Reigned {
  readonly epoch: number
  readonly log: readonly Event[]
}

export function runSeed(
  seed: number,
  voters: number,
  mutant: Mutant,
  counts: Map<string, number>,
  withEtcd = false,
): void {
  const world = new World(seed)
  const reigns: Reigned[] = []
  const stable = new Map<number, { epoch: number; event: Event }>()
  const isIn = (log: readonly Event[], { sequence, id }: Event): boolean => log[sequence - 1]?.id === id
  const etcd = withEtcd ? new ClaimsEtcd(world, (what) => cluster.count(what)) : undefined
  const cluster: Cluster = {
    world,
    mutant,
    ...(etcd === undefined ? {} : { etcd }),
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
  etcd?.suffer()
  world.runUntil(FAULTS_UNTIL_US)
  world.isFaulty = false
  world.cuts.clear()
  etcd?.heal()
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
