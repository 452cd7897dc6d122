/**
 * Network namespaces: which tools of Linux make them, and whether this machine lets us. As root they are plain ones; everybody
 * else gets them inside a user namespace of his own, where the kernel allows that.
 *
 * A namespace lives as long as its holder, a process that ends when its standard input does: whatever becomes of the test,
 * nothing stays behind.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

const isRoot = process.getuid?.() === 0
/** Who is not root may lack the folders of these tools in his path. */
const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` }
const TOOLS = [
  ['unshare', 'util-linux'],
  ['nsenter', 'util-linux'],
  ['setpriv', 'util-linux'],
  ['ip', 'iproute2'],
  ['tc', 'iproute2'],
  ['nft', 'nftables'],
] as const

export interface CommandResult {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export class Namespace {
  readonly pid: number
  readonly #holder: ChildProcess

  private constructor(holder: ChildProcess, pid: number) {
    this.#holder = holder
    this.pid = pid
  }

  /** @param parent the namespace whose user owns the new one; needed by those who are not root, from the second on */
  static async open(parent?: Namespace): Promise<Namespace> {
    const unshare = ['unshare', ...(isRoot || parent !== undefined ? [] : ['--user', '--map-root-user']), '--net', '--']
    const [program = '', ...args] = [
      ...(parent === undefined ? [] : parent.#asUser),
      ...unshare,
      'sh',
      '-c',
      'echo up; exec cat',
    ]
    const holder = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env })
    holder.stdin.on('error', () => {})
    await Promise.race([
      once(holder.stdout, 'data'),
      once(holder, 'exit').then(() => Promise.reject(new Error(`${program} ${args.join(' ')} failed`))),
    ])
    return new Namespace(holder, holder.pid ?? 0)
  }

  /** What runs a command inside: it becomes the command, so that its pid is the command's. */
  get entry(): readonly string[] {
    const user = isRoot ? [] : ['--user', '--preserve-credentials']
    return ['nsenter', '--target', String(this.pid), ...user, '--net', '--']
  }

  get #asUser(): readonly string[] {
    return isRoot ? [] : ['nsenter', '--target', String(this.pid), '--user', '--preserve-credentials', '--']
  }

  /** Runs a tool inside to its end. @throws Error where it fails */
  run(command: readonly string[], input = ''): string {
    const result = this.try(command, input)
    if (result.status !== 0) throw new Error(`${command.join(' ')}\n${input}\n${result.stderr}`)
    return result.stdout
  }

  try(command: readonly string[], input = ''): CommandResult {
    const [program = '', ...args] = [...this.entry, ...command]
    return spawnSync(program, args, { input, env, encoding: 'utf8' })
  }

  async close(): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return
    const over = once(this.#holder, 'exit')
    this.#holder.stdin?.end()
    await over
  }
}

/** @returns why there can be no network of namespaces on this machine, or undefined where there can */
export async function whyNoNamespaces(): Promise<string | undefined> {
  if (process.platform !== 'linux') return `network namespaces are Linux only, and this is ${process.platform}`
  for (const [tool, from] of TOOLS) {
    if (spawnSync(tool, ['--version'], { env }).error !== undefined) return `${tool} is missing (package ${from})`
  }
  const probe = await Namespace.open().catch(() => undefined)
  if (probe === undefined) return 'this user may not create network namespaces (unshare --net failed)'
  try {
    const needs = [
      { what: 'a bridge', command: ['ip', 'link', 'add', 'probe0', 'type', 'bridge', 'mcast_snooping', '0'] },
      { what: 'a veth pair', command: ['ip', 'link', 'add', 'probe1', 'type', 'veth', 'peer', 'name', 'probe2'] },
      { what: 'tc tbf', command: ['tc', 'qdisc', 'add', 'dev', 'probe1', 'root', ...tbf(100)] },
    ]
    for (const { what, command } of needs) {
      const { status, stderr } = probe.try(command)
      if (status !== 0) return `the kernel gives no ${what}: ${stderr.trim()}`
    }
    const { status, stderr } = probe.try(['nft', '-f', '-'], dropping([], 1, '127.0.0.1'))
    if (status !== 0) return `nft can't lose packets here: ${stderr.trim()}`
    return undefined
  } finally {
    await probe.close()
  }
}

/** Whether the kernel has netem, which delays, reorders and repeats on the link. */
export function hasNetem(namespace: Namespace): boolean {
  const add = ['ip', 'link', 'add', 'probe3', 'type', 'veth', 'peer', 'name', 'probe4']
  if (namespace.try(add).status !== 0) return false
  const { status } = namespace.try(['tc', 'qdisc', 'add', 'dev', 'probe3', 'root', 'netem', 'delay', '1ms'])
  namespace.try(['ip', 'link', 'del', 'probe3'])
  return status === 0
}

/** The queueing discipline that lets no more than so much through. */
export function tbf(megabits: number): string[] {
  return ['tbf', 'rate', `${megabits}mbit`, 'burst', '64kb', 'latency', '50ms']
}

/** Rules of a host: it hears nothing of those addresses, and loses so many percent of what others send. */
export function dropping(unheard: readonly string[], percent: number, own: string): string {
  return [
    'flush ruleset',
    'table inet faults {',
    '  chain heard {',
    '    type filter hook input priority 0; policy accept;',
    '    iifname "lo" accept',
    `    ip saddr ${own} accept`,
    ...(unheard.length > 0 ? [`    ip saddr { ${unheard.join(', ')} } drop`] : []),
    ...(percent > 0 ? [`    numgen random mod 100 < ${percent} drop`] : []),
    '  }',
    '}',
    '',
  ].join('\n')
}
