/** A node of a simulated system: a host with a name, an address and a disk, on which one process after the other runs. */
import type { ComponentHost } from '../component/host.js'
import type { EventLog } from '../protocol/event-log.js'
import type { Sequencer } from '../protocol/sequencer.js'
import type { Role } from '../runtime/options.js'
import type { SendClient } from '../runtime/send-client.js'
import type { Machine } from './machine.js'
import type { SimKind, SimProcess } from './observer.js'
import { laterOf } from './session-names.js'

/** The part of a running role that a run looks at; by kind, one of the four is there. */
export interface RunningRole extends Role {
  readonly sequencer?: Sequencer
  /** Of a sequencer or a client: the session that it is in. */
  readonly session?: string
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
  readonly #firstSession: string
  /** Of a component: the session that its host is in. */
  session: string
  /** The process that runs. */
  process: SimProcess | undefined
  /** Set when the process has started. */
  role: RunningRole | undefined
  /** It is not started again before this. */
  downUntilUs = 0
  /** Sessions in which a voter has its vote, or had when it was last heard of: those that its disk proves. */
  readonly votesIn = new Set<string>()
  /** Its disk was wiped, and not all that counts is there again. */
  isEmptied = false

  constructor(options: {
    name: string
    kind: SimKind
    machine: Machine
    rank: number
    voter?: string
    component?: string
    session: string
  }) {
    this.name = options.name
    this.kind = options.kind
    this.machine = options.machine
    this.rank = options.rank
    this.voter = options.voter ?? ''
    this.component = options.component ?? ''
    this.#firstSession = options.session
    this.session = options.session
  }

  /** The session that it is in, as far as that can be seen. */
  get currentSession(): string {
    if (this.kind === 'store') return this.role?.log?.session ?? this.#firstSession
    return this.kind === 'component' ? this.session : (this.role?.session ?? this.#firstSession)
  }

  /** The last one that it is in, or that its disk has anything of. */
  get newestSession(): string {
    return this.machine.disk.sessions().reduce(laterOf, this.currentSession)
  }

  nextProcess(): SimProcess {
    this.starts++
    this.session = this.#firstSession
    const { name: node, kind, starts: start, voter, component, session } = this
    return { node, kind, start, voter, component, instance: component === '' ? '' : node, session }
  }
}
