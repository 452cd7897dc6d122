/**
 * Plays the faults of a schedule on a cluster, and heals what each has done when its time is over. Faults overlap: a link is
 * cut as long as any fault cuts it, and the newest noise is the one that is heard.
 */
import type { Cluster } from './cluster.js'
import { describeFault, timeText } from './fault-text.js'
import type { Machine } from './machine.js'
import type { SimNode } from './node.js'
import type { ObserverCalls } from './observer.js'
import { type Fault, type Noise, namesIn, REIGNING } from './schedule.js'
import { laterOf, sessionAfter } from './session-names.js'
import type { World } from './world.js'

/** Of a disk that nothing is wrong with. */
export const DISK_SYNC_US = { from: 200, to: 1_500 } as const

const LOOK_AGAIN_US = 50_000

export class FaultPlayer {
  /** What was played, and on whom, in words. */
  readonly played: string[] = []
  readonly #world: World
  readonly #cluster: Cluster
  readonly #observe: ObserverCalls
  readonly #endUs: number
  readonly #mayRoll: () => boolean
  /** How many faults cut this direction now. */
  readonly #cuts = new Map<string, number>()
  #noises: Noise[] = []
  readonly #slow = new Map<SimNode, number>()
  readonly #full = new Map<SimNode, number>()
  readonly #busy = new Map<SimNode, number>()

  /**
   * @param endUs faults that last longer are healed then
   * @param mayRoll an operator rolls no session before it has come up
   */
  constructor(world: World, cluster: Cluster, observe: ObserverCalls, endUs: number, mayRoll: () => boolean) {
    this.#mayRoll = mayRoll
    this.#world = world
    this.#cluster = cluster
    this.#observe = observe
    this.#endUs = endUs
  }

  /** @throws RangeError where a fault names somebody who is not there */
  play(faults: readonly Fault[]): void {
    for (const name of faults.flatMap(namesIn)) this.#find(name)
    for (const fault of faults) this.#world.at(fault.atUs, () => this.#play(fault))
  }

  #play(fault: Fault): void {
    // An operator waits until the system is up.
    if (fault.kind === 'roll' && !this.#mayRoll() && this.#world.nowUs + LOOK_AGAIN_US < this.#endUs) {
      this.#world.after(LOOK_AGAIN_US, () => this.#play(fault))
      return
    }
    const whom = this.#apply(fault)
    this.played.push(whom === undefined ? `${describeFault(fault)}: not played` : `${describeFault(fault)}${whom}`)
    if (whom !== undefined) this.#observe.fault(fault.kind, this.played.at(-1) ?? '', this.#world.nowUs)
  }

  /** @returns whom the aliases stood for, or '' ; undefined where the fault can't be played now */
  #apply(fault: Fault): string | undefined {
    switch (fault.kind) {
      case 'kill': {
        const node = this.#find(fault.node)
        if (fault.outputs === 0) this.#cluster.kill(node, this.#until(fault.forUs))
        else this.#cluster.killAfter(node, fault.outputs, this.#until(fault.forUs))
        return meaning(fault.node, node)
      }
      case 'stop': {
        const node = this.#find(fault.node)
        this.#cluster.stop(node, this.#until(fault.forUs))
        return meaning(fault.node, node)
      }
      case 'empty':
        return this.#empty(this.#find(fault.node), this.#until(fault.forUs))
      case 'pause': {
        const node = this.#find(fault.node)
        if (node.process === undefined) return undefined
        node.machine.pause(this.#until(fault.forUs) - this.#world.nowUs)
        return meaning(fault.node, node)
      }
      case 'busy': {
        const node = this.#find(fault.node)
        node.machine.setWork(fault.workUs)
        this.#healLast(this.#busy, node, this.#until(fault.forUs), () => node.machine.setWork(0))
        return meaning(fault.node, node)
      }
      case 'cut': {
        const from = fault.from.map((name) => this.#find(name))
        const to = fault.to.map((name) => this.#find(name))
        this.#cut(machinesOf(from), machinesOf(to), this.#until(fault.forUs))
        return meaningOfAll([...fault.from, ...fault.to], [...from, ...to])
      }
      case 'partition': {
        const side = fault.side.map((name) => this.#find(name))
        const inside = new Set(machinesOf(side))
        const outside = this.#world.machines.filter((machine) => !inside.has(machine))
        this.#cut([...inside], outside, this.#until(fault.forUs))
        this.#cut(outside, [...inside], this.#until(fault.forUs))
        return meaningOfAll(fault.side, side)
      }
      case 'noise':
        this.#makeNoise(fault, this.#until(fault.forUs))
        return ''
      case 'clock': {
        const node = this.#find(fault.node)
        node.machine.stepClock(fault.byUs)
        return meaning(fault.node, node)
      }
      case 'slow-disk': {
        const node = this.#find(fault.node)
        node.machine.disk.setSpeed(Math.floor(fault.syncUs / 4), fault.syncUs)
        this.#healLast(this.#slow, node, this.#until(fault.forUs), () => speedUp(node))
        return meaning(fault.node, node)
      }
      case 'full-disk': {
        const node = this.#find(fault.node)
        node.machine.disk.setFull(true)
        this.#healLast(this.#full, node, this.#until(fault.forUs), () => node.machine.disk.setFull(false))
        return meaning(fault.node, node)
      }
      case 'activate':
        this.#cluster.operator.activate(this.#openSession(), fault.component, fault.instance)
        return ''
      case 'roll': {
        const session = this.#openSession()
        const successor = sessionAfter(session, fault.steps)
        if (!this.#mayRoll()) return undefined
        this.#cluster.operator.roll(session, successor)
        return ` (${session} to ${successor})`
      }
    }
  }

  /** As an operator sees it. */
  #openSession(): string {
    const sequencers = this.#cluster.ofKind('sequencer')
    return this.#cluster.reigning()[0]?.currentSession ?? sequencers.map((node) => node.currentSession).reduce(laterOf)
  }

  #until(forUs: number): number {
    return Math.max(this.#world.nowUs, Math.min(this.#endUs, this.#world.nowUs + forUs))
  }

  #find(name: string): SimNode {
    const cluster = this.#cluster
    if (name === REIGNING) return cluster.reigning()[0] ?? firstUp(cluster.ofKind('sequencer'))
    if (!name.startsWith('@active:')) return cluster.node(name)
    const component = name.slice('@active:'.length)
    return cluster.active(component)[0] ?? firstUp(cluster.nodes.filter((node) => node.component === component))
  }

  /** What the design promises, it promises while a majority of the voters have their disks: more is for an operator. */
  #empty(node: SimNode, untilUs: number): string | undefined {
    const voters = this.#cluster.nodes.filter(({ voter }) => voter !== '')
    const others = voters.filter((other) => other !== node && !this.#cluster.isFounded(other)).length
    if (!this.#cluster.isFounded(node) || others > (voters.length === 5 ? 1 : 0) || voters.length === 1)
      return undefined
    this.#cluster.kill(node, untilUs)
    node.machine.disk.wipe()
    node.isEmptied = true
    node.votesIn.clear()
    return ''
  }

  #cut(from: readonly Machine[], to: readonly Machine[], untilUs: number): void {
    const pairs = from.flatMap((a) => to.filter((b) => b !== a).map((b) => [a, b] as const))
    for (const [a, b] of pairs) {
      const key = `${a.name}>${b.name}`
      const count = this.#cuts.get(key) ?? 0
      this.#cuts.set(key, count + 1)
      if (count === 0) this.#world.network.cut(a, b)
    }
    this.#world.at(untilUs, () => {
      for (const [a, b] of pairs) {
        const key = `${a.name}>${b.name}`
        const count = (this.#cuts.get(key) ?? 1) - 1
        this.#cuts.set(key, count)
        if (count === 0) this.#world.network.heal(a, b)
      }
    })
  }

  #makeNoise(noise: Noise, untilUs: number): void {
    this.#noises.push(noise)
    this.#applyNoise()
    this.#world.at(untilUs, () => {
      this.#noises = this.#noises.filter((other) => other !== noise)
      this.#applyNoise()
    })
  }

  #applyNoise(): void {
    const noise = this.#noises.at(-1)
    if (noise === undefined) {
      this.#world.network.clearFaults()
      return
    }
    const { loss, duplicate, reorder, delayUs } = noise
    this.#world.network.setFaults({
      loss,
      duplicate,
      reorder,
      delayMinUs: 20,
      delayMaxUs: Math.max(20, delayUs),
      reorderMaxUs: delayUs * 2 + 1_000,
    })
  }

  /** Of several that overlap on a node, the end of the last one heals. */
  #healLast(counts: Map<SimNode, number>, node: SimNode, untilUs: number, heal: () => void): void {
    counts.set(node, (counts.get(node) ?? 0) + 1)
    this.#world.at(untilUs, () => {
      const left = (counts.get(node) ?? 1) - 1
      counts.set(node, left)
      if (left === 0) heal()
    })
  }
}

function speedUp({ machine }: SimNode): void {
  machine.disk.setSpeed(DISK_SYNC_US.from, DISK_SYNC_US.to)
}

function firstUp(nodes: readonly SimNode[]): SimNode {
  const node = nodes.find(({ process }) => process !== undefined) ?? nodes[0]
  if (node === undefined) throw new RangeError('the schedule names a role that this system has not')
  return node
}

function machinesOf(nodes: readonly SimNode[]): Machine[] {
  return nodes.map(({ machine }) => machine)
}

function meaning(name: string, node: SimNode): string {
  return name === node.name ? '' : ` (${node.name})`
}

function meaningOfAll(names: readonly string[], nodes: readonly SimNode[]): string {
  const meant = names.flatMap((name, at) => (name === nodes[at]?.name ? [] : [`${name} is ${nodes[at]?.name}`]))
  return meant.length === 0 ? '' : ` (${meant.join(', ')})`
}

/** For a report: when faults were over. */
export function endText(endUs: number): string {
  return `${timeText(endUs)}  all is healed, and whoever is down is started`
}
