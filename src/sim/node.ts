/** A node of a simulated system: a host with a name, an address and a disk, on which one process after the other runs. */
import type { ComponentHost } from '../component/host.js'
import type { EventLog } from '../protocol/event-log.js'
import type { Sequencer } from '../protocol/sequencer.js'
import type { Role } from '../runtime/options.js'
import type { SendClient } from '../runtime/send-client.js'
import type { Machine } from './machine.js'
import type { SimKind, SimProcess } from './observer.js'

/** The part of a running role that a run looks at; by kind, one of the four is there. */
export interface RunningRole extends Role {
  readonly sequencer?: Sequencer
  readonly log?: EventLog
  readonly host?: ComponentHost
  readonly client?: SendClient
}

export class SimNode {
  readonly name: string
  readonly kind: SimKind
  readonly machine: Machine
  readonly voter: string
  readonly component: string
  /** Of several of its kind: from 0. */
  readonly rank: number
  starts = 0
  /** The process that runs. */
  process: SimProcess | undefined
  /** Set when the process has started. */
  role: RunningRole | undefined
  /** It is not started again before this. */
  downUntilUs = 0
  /** The disk of a voter holds the proof that it never lost its data. */
  isFounded = false

  constructor(options: {
    name: string
    kind: SimKind
    machine: Machine
    rank: number
    voter?: string
    component?: string
  }) {
    this.name = options.name
    this.kind = options.kind
    this.machine = options.machine
    this.rank = options.rank
    this.voter = options.voter ?? ''
    this.component = options.component ?? ''
  }

  nextProcess(): SimProcess {
    this.starts++
    const { name: node, kind, starts: start, voter, component } = this
    return { node, kind, start, voter, component, instance: component === '' ? '' : node }
  }
}
