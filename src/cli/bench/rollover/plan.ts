/**
 * The processes of the shipment system and how each is started: stores that vote, sequencers, and the components of the example. All are
 * given the first session of the chain, also when one is started again: it finds the session that runs by itself.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const STATIC_FILE = fileURLToPath(new URL('../../../../../src/examples/sms/static.jsonl', import.meta.url))
export const PROTO_FILE = fileURLToPath(new URL('../../../../../src/examples/sms/sms.proto', import.meta.url))

export const SMS_COMPONENTS = ['scanner', 'shipments', 'router', 'notifier'] as const
export type SmsComponent = (typeof SMS_COMPONENTS)[number]

export interface SmsPlan {
  /** Unique: `store/a`, `sequencer/1`, `shipments/b`. */
  readonly name: string
  readonly role: 'store' | 'sequencer' | SmsComponent
  readonly args: readonly string[]
  /** Of a start after a death. */
  readonly restartArgs: readonly string[]
  /** What its log says when it is there. */
  readonly ready: string
}

export interface SmsSystem {
  /** The first one of the chain. */
  readonly session: string
  readonly groups: { readonly eventGroup: string; readonly commandGroup: string; readonly controlGroup: string }
  /** Where the stores record, and where the notifier writes. */
  readonly directory: string
  readonly voters: readonly string[]
  /** Request ports of the sequencers; with several all but the one that reigns wait. */
  readonly sequencerPorts: readonly number[]
  /** Replicas of each component. */
  readonly replicas: Readonly<Record<SmsComponent, number>>
  /** The file of scans, and how many of them a second. */
  readonly input: string
  readonly rate: number
}

export function smsPlans(system: SmsSystem): SmsPlan[] {
  const { session, groups } = system
  const { eventGroup, commandGroup, controlGroup } = groups
  const streams = ['--event-group', eventGroup, '--command-group', commandGroup, '--control-group', controlGroup]
  const common = ['--session', session, ...streams]
  const plans = [
    ...system.voters.map((voter) => store(system, voter)),
    ...system.sequencerPorts.map((port, i) => sequencer(system, port, i + 1)),
    ...SMS_COMPONENTS.flatMap((name) =>
      Array.from({ length: system.replicas[name] }, (_, i) => replica(system, name, 'abc'[i] ?? '')),
    ),
  ]
  return plans.map((plan) => ({
    ...plan,
    args: [...plan.args, ...common],
    restartArgs: [...plan.restartArgs, ...common],
  }))
}

export function storeDirectory({ directory }: Pick<SmsSystem, 'directory'>, voter: string): string {
  return join(directory, `store-${voter}`)
}

/** Where the notifier writes: one file for all its replicas, as one mailbox would be. */
export function notificationsFile({ directory }: Pick<SmsSystem, 'directory'>): string {
  return join(directory, 'notifications.txt')
}

/** The sessions of a chain, from the name of the first one: two digits at the end count them. */
export function sessionOfDay(first: string, day: number): string {
  return `${first.slice(0, -2)}${String(day).padStart(2, '0')}`
}

function store(system: SmsSystem, voter: string): SmsPlan {
  const ports = ['--request-port', '0', '--rewind-port', '0']
  const args = ['store', '--dir', storeDirectory(system, voter), '--voter', voter, ...ports]
  return { name: `store/${voter}`, role: 'store', args, restartArgs: args, ready: 'recording' }
}

function sequencer({ voters, sequencerPorts }: SmsSystem, port: number, number: number): SmsPlan {
  const facts = ['--static', STATIC_FILE, '--proto', PROTO_FILE]
  const waits = sequencerPorts.length > 1 ? ['--standby'] : []
  const named = voters.length > 0 ? ['--voters', voters.join(',')] : []
  // Without ticks an idle session stands still, and a test can see that it does.
  const args = ['sequencer', ...named, ...facts, ...waits, '--request-port', String(port), '--tick-ms', '0']
  const ready = sequencerPorts.length > 1 ? 'standby' : 'session open'
  return { name: `sequencer/${number}`, role: 'sequencer', args, restartArgs: args, ready }
}

function replica(system: SmsSystem, component: SmsComponent, instance: string): SmsPlan {
  const module = fileURLToPath(new URL(`../../../examples/sms/${component}.js`, import.meta.url))
  const run = ['run', module, '--instance', instance, ...optionsOf(system, component)]
  const standby = [...run, '--standby']
  return {
    name: `${component}/${instance}`,
    role: component,
    args: instance === 'a' ? run : standby,
    restartArgs: standby,
    ready: 'component: started',
  }
}

function optionsOf(system: SmsSystem, component: SmsComponent): string[] {
  if (component === 'scanner') return ['--option', `input=${system.input}`, `rate=${system.rate}`]
  return component === 'notifier' ? ['--option', `output=${notificationsFile(system)}`] : []
}
