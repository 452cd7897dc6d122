/**
 * A LAN of hosts: each is a network namespace with an interface of its own, all of them on one bridge that carries multicast.
 * Links lose packets, are narrow, and can be cut, in one direction or in both.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Test } from 'tap'
import { dropping, hasNetem, Namespace, tbf } from './namespaces.js'

const INTERFACE = 'eth0'

export class Host {
  readonly name: string
  readonly address: string
  readonly namespace: Namespace
  /** Whom it does not hear. */
  readonly #unheard = new Set<Host>()
  #lossPercent = 0

  constructor(name: string, address: string, namespace: Namespace) {
    this.name = name
    this.address = address
    this.namespace = namespace
  }

  /** Starts a program here. Its pid is the child's own; it is killed when this process ends, however that does. */
  spawn(command: readonly string[], options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv }): ChildProcess {
    const [program = '', ...args] = [...this.namespace.entry, 'setpriv', '--pdeathsig', 'KILL', '--', ...command]
    return spawn(program, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] })
  }

  ignore(hosts: readonly Host[]): void {
    const others = hosts.filter((host) => host !== this && !this.#unheard.has(host))
    for (const host of others) this.#unheard.add(host)
    if (others.length > 0) this.#apply()
  }

  /** Hears everybody again. */
  hear(): void {
    if (this.#unheard.size === 0) return
    this.#unheard.clear()
    this.#apply()
  }

  /** Loses so much of what arrives from others. */
  lose(percent: number): void {
    this.#lossPercent = percent
    this.#apply()
  }

  #apply(): void {
    const unheard = [...this.#unheard].map(({ address }) => address)
    this.namespace.run(['nft', '-f', '-'], dropping(unheard, this.#lossPercent, this.address))
  }
}

export class Lan {
  readonly hosts = new Map<string, Host>()
  /** Whether links can delay, reorder and repeat here; otherwise the processes play that themselves. */
  readonly hasNetem: boolean
  readonly #bridge: Namespace

  private constructor(bridge: Namespace, withNetem: boolean) {
    this.#bridge = bridge
    this.hasNetem = withNetem
  }

  /** Everything is gone when the test ends. */
  static async open(t: Test): Promise<Lan> {
    const bridge = await Namespace.open()
    const lan = new Lan(bridge, hasNetem(bridge))
    t.teardown(() => lan.#close())
    bridge.run(['ip', 'link', 'add', 'bridge', 'type', 'bridge', 'mcast_snooping', '0'])
    bridge.run(['ip', 'link', 'set', 'bridge', 'up'])
    return lan
  }

  /** Puts a host on the bridge. */
  async add(name: string): Promise<Host> {
    const namespace = await Namespace.open(this.#bridge)
    const host = new Host(name, `10.77.0.${this.hosts.size + 1}`, namespace)
    this.hosts.set(name, host)
    const port = portOf(name)
    const pair = ['type', 'veth', 'peer', 'name', INTERFACE, 'netns', String(namespace.pid)]
    this.#bridge.run(['ip', 'link', 'add', port, ...pair])
    this.#bridge.run(['ip', 'link', 'set', port, 'master', 'bridge', 'up'])
    const lines = [
      'link set lo up',
      `address add ${host.address}/24 dev ${INTERFACE}`,
      `link set ${INTERFACE} up`,
      `route add 224.0.0.0/4 dev ${INTERFACE}`,
    ]
    namespace.run(['ip', '-batch', '-'], `${lines.join('\n')}\n`)
    return host
  }

  host(name: string): Host {
    const host = this.hosts.get(name)
    if (host === undefined) throw new Error(`no host ${name}`)
    return host
  }

  named(names: readonly string[]): Host[] {
    return names.map((name) => this.host(name))
  }

  /** What `from` send does not arrive at `to`; what `to` send still arrives. */
  cut(from: readonly string[], to: readonly string[]): void {
    for (const host of this.named(to)) host.ignore(this.named(from))
  }

  /** Neither side hears the other. Links are cut one after the other: for some milliseconds there is a bit of everything. */
  part(some: readonly string[], others: readonly string[]): void {
    this.cut(some, others)
    this.cut(others, some)
  }

  /** All cuts are over. */
  heal(): void {
    for (const host of this.hosts.values()) host.hear()
  }

  /** The link of a host carries no more than so much, both ways. */
  limit(name: string, megabits: number): void {
    this.host(name).namespace.run(['tc', 'qdisc', 'replace', 'dev', INTERFACE, 'root', ...tbf(megabits)])
    this.#bridge.run(['tc', 'qdisc', 'replace', 'dev', portOf(name), 'root', ...tbf(megabits)])
  }

  /** What a host is sent comes late, some of it out of order, some of it twice. Only with `hasNetem`. */
  disturb(name: string): void {
    const netem = ['netem', 'delay', '1ms', '1ms', 'reorder', '5%', '50%', 'duplicate', '2%']
    this.#bridge.run(['tc', 'qdisc', 'replace', 'dev', portOf(name), 'root', ...netem])
  }

  async #close(): Promise<void> {
    await Promise.all([...this.hosts.values()].map(({ namespace }) => namespace.close()))
    await this.#bridge.close()
  }
}

/** The bridge's end of a host's link. */
const portOf = (name: string): string => `to-${name}`
