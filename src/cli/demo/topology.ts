/**
 * The processes of the demo and how each is started: a sequencer, two stores of which one is the voter, and every component of
 * the order management system twice.
 */
import { createSocket } from 'node:dgram'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const COMPONENTS = ['client-proxy', 'order-manager', 'order-router', 'exchange-gateway'] as const
export type ComponentName = (typeof COMPONENTS)[number]
export const STORES = ['store-a', 'store-b'] as const
/** The store that votes; the other is a copy. */
export const VOTER = 'store-a'

export interface ProcessPlan {
  /** Unique in the demo: `sequencer`, `store-a`, `order-manager/a`. */
  readonly name: string
  readonly role: 'sequencer' | 'store' | 'component'
  readonly args: readonly string[]
  /** Arguments of a restart, where they differ. */
  readonly restartArgs?: readonly string[]
}

export interface TopologyOptions {
  readonly session: string
  readonly directory: string
  readonly inputFile: string
  readonly rate: number | undefined
  /** Flags of the streams and of the fault filter, the same for all. */
  readonly streamArgs: readonly string[]
}

export function storeDirectory(directory: string, store: string): string {
  return join(directory, store)
}

export function planSequencer(options: TopologyOptions): ProcessPlan {
  const args = ['sequencer', ...options.streamArgs, '--voters', VOTER, '--request-port', '0']
  return { name: 'sequencer', role: 'sequencer', args }
}

export function planStores(options: TopologyOptions): ProcessPlan[] {
  return STORES.map((name) => ({
    name,
    role: 'store',
    args: [
      ...['store', ...options.streamArgs, '--dir', storeDirectory(options.directory, name), '--name', name],
      ...['--request-port', '0', '--rewind-port', '0', ...(name === VOTER ? ['--voter', name] : [])],
    ],
  }))
}

/** Both replicas of a component. A replica that is started again comes back as a standby: the other one is active then. */
export function planReplicas(component: ComponentName, options: TopologyOptions): ProcessPlan[] {
  const input = component === 'client-proxy' ? inputOptions(options) : []
  // Beside the recording, where replays find them.
  const checkpoints = ['--checkpoints', storeDirectory(options.directory, VOTER), '--checkpoint-every', '5000']
  const args = ['run', componentModule(component), ...options.streamArgs, ...input, ...checkpoints]
  const replica = (instance: string): readonly string[] => [...args, '--instance', instance]
  return [
    { name: `${component}/a`, role: 'component', args: replica('a'), restartArgs: [...replica('a'), '--standby'] },
    { name: `${component}/b`, role: 'component', args: [...replica('b'), '--standby'] },
  ]
}

export function componentModule(component: ComponentName): string {
  return fileURLToPath(new URL(`../../examples/oms/${component}.js`, import.meta.url))
}

function inputOptions({ inputFile, rate }: TopologyOptions): string[] {
  return ['--option', `input=${inputFile}`, ...(rate === undefined ? [] : [`rate=${rate}`])]
}

/** Three groups and ports that nobody on this machine has bound, so that several demos can run side by side. */
export async function chooseGroups(): Promise<{ eventGroup: string; commandGroup: string; controlGroup: string }> {
  const [eventPort, commandPort, controlPort] = [await freeUdpPort(), await freeUdpPort(), await freeUdpPort()]
  const octet = (): number => Math.floor(Math.random() * 200) + 20
  const network = `239.255.${octet()}`
  const host = octet()
  return {
    eventGroup: `${network}.${host}:${eventPort}`,
    commandGroup: `${network}.${host + 1}:${commandPort}`,
    controlGroup: `${network}.${host + 2}:${controlPort}`,
  }
}

/** A UDP port that is free now. */
export function freeUdpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    socket.once('error', reject)
    socket.bind(0, () => {
      const { port } = socket.address()
      socket.close(() => resolve(port))
    })
  })
}
