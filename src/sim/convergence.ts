/**
 * Whether a system has come to rest after its faults: everybody is in the newest session, one sequencer reigns, all that it published is stable and in every
 * store, every replica has handled it, one replica of each component is active, and nobody waits for anything.
 */
import type { ComponentHost } from '../component/host.js'
import type { EventLog } from '../protocol/event-log.js'
import type { Cluster } from './cluster.js'
import type { FinalState, SimProcess } from './observer.js'

interface RunningStore {
  readonly process: SimProcess
  readonly log: EventLog
}
interface RunningHost {
  readonly process: SimProcess
  readonly host: ComponentHost
}

/** @returns what is not at rest yet, in words; or the final state */
export function lookForRest(cluster: Cluster, nowUs: number): string | FinalState {
  const down = cluster.nodes.filter(({ role }) => role === undefined)
  if (down.length > 0) return `${down.map(({ name }) => name).join(', ')} not running`
  const reigning = cluster.reigning()
  const sequencer = reigning[0]?.role?.sequencer
  if (sequencer === undefined) return 'nobody reigns'
  if (reigning.length > 1) return `${reigning.map(({ name }) => name).join(' and ')} both think that they reign`
  if (sequencer.state !== 'open') return `${reigning[0]?.name} is ${sequencer.state}`
  const session = reigning[0]?.currentSession ?? ''
  const elsewhere = cluster.nodes.find((node) => node.currentSession !== session)
  if (elsewhere !== undefined)
    return `${elsewhere.name} is in session ${elsewhere.currentSession}, and not in ${session}`
  const lastSequence = sequencer.nextSequence - 1
  if (sequencer.stableSequence !== lastSequence) {
    return `event ${lastSequence} is published, ${sequencer.stableSequence} is stable`
  }
  const stores: RunningStore[] = []
  const hosts: RunningHost[] = []
  for (const { process, role } of cluster.nodes) {
    if (process !== undefined && role?.log !== undefined) stores.push({ process, log: role.log })
    if (process !== undefined && role?.host !== undefined) hosts.push({ process, host: role.host })
  }
  const problem =
    storesProblem(cluster, stores, session, lastSequence) ??
    standbysProblem(cluster, lastSequence) ??
    hostsProblem(cluster, hosts, lastSequence) ??
    clientsProblem(cluster)
  if (problem !== undefined) return problem
  return { nowUs, session, stableSequence: lastSequence, stores, hosts }
}

function storesProblem(
  cluster: Cluster,
  stores: readonly RunningStore[],
  session: string,
  lastSequence: number,
): string | undefined {
  const outside = cluster.nodes.filter(({ voter, votesIn }) => voter !== '' && !votesIn.has(session))
  if (outside.length > 0) return `${outside.map(({ name }) => name).join(', ')} without a vote`
  for (const { process, log } of stores) {
    if (log.durableSequence !== lastSequence || log.nextSequence !== lastSequence + 1) {
      return `${process.node} has events up to ${log.durableSequence} of ${lastSequence}`
    }
  }
  return undefined
}

function standbysProblem(cluster: Cluster, lastSequence: number): string | undefined {
  for (const { name, role } of cluster.ofKind('sequencer')) {
    const read = (role?.sequencer?.nextSequence ?? 0) - 1
    if (read !== lastSequence) return `${name} has read up to event ${read} of ${lastSequence}`
  }
  return undefined
}

function hostsProblem(cluster: Cluster, hosts: readonly RunningHost[], lastSequence: number): string | undefined {
  for (const { process, host } of hosts) {
    const { component, instance } = process
    if (host.nextSequence - 1 !== lastSequence)
      return `${instance} is at event ${host.nextSequence - 1} of ${lastSequence}`
    if (host.state !== 'active' && host.state !== 'standby') return `${instance} is ${host.state}`
    const status = host.status()
    if (status.outboxCommands > 0) return `${instance} holds ${status.outboxCommands} commands`
    if (host.effects().length > 0) return `${instance} owes ${host.effects().length} effects`
    const active = hosts.filter((other) => other.process.component === component && other.host.state === 'active')
    if (active.length !== cluster.wantedActive(component)) return `${active.length} replicas of ${component} are active`
  }
  return undefined
}

function clientsProblem(cluster: Cluster): string | undefined {
  for (const { name, role } of cluster.ofKind('source')) {
    const pending = role?.client?.pending ?? 0
    if (pending > 0) return `${name} holds ${pending} commands`
  }
  return undefined
}
