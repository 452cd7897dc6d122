/**
 * The judges of a run: the checkers of G1 to G8, over one chronicle for each session, and those of the whole chain. They look on, from
 * outside: at what leaves the processes, at the disks, and at what components are given. What they see is enough to say at every step
 * whether a guarantee is broken; a few things can only be said at the end.
 */
import type { Carry } from '../component/carry.js'
import type { Component } from '../component/definition.js'
import type { Chronicle, Reader } from './checkers/chronicle.js'
import { OwedEffects } from './checkers/effects.js'
import { checkFinalLogs, checkPastLogs } from './checkers/final-logs.js'
import { Links } from './checkers/links.js'
import { type ControlSays, readControl, reigns } from './checkers/messages.js'
import { readMold, sessionOf } from './checkers/reading.js'
import type { FinalState, SimObserver, SimProcess, SimStream } from './observer.js'
import { SessionJudges } from './session-judges.js'

export interface JudgesOptions {
  /** The first of the chain. */
  readonly session: string
  readonly voters: readonly string[]
  /** For the replay at the end: a fresh component whose input and effects are not run. */
  readonly components: readonly { readonly name: string; readonly create: () => Component }[]
}

export class Judges {
  readonly #options: JudgesOptions
  readonly #sessions = new Map<string, SessionJudges>()
  readonly #readers: Reader[] = []
  readonly #links: Links
  readonly #owed: OwedEffects
  readonly #hotHot: ReadonlySet<string>
  /** Those that run. */
  readonly #running = new Map<string, SimProcess>()
  /** By node: its process, by the number on the control stream. */
  readonly #senders = new Map<string, number>()

  constructor(options: JudgesOptions) {
    this.#options = options
    const fresh = options.components.map(({ create }) => create())
    this.#hotHot = new Set(fresh.filter((component) => component.hotHot).map(({ name }) => name))
    this.#links = new Links(options.session, (session) => this.#of(session))
    this.#owed = new OwedEffects(
      (session) => this.#of(session).chronicle,
      fresh,
      (session, node, sequence) => this.#of(session).order.epochGiven(node, sequence),
    )
  }

  /** Of the first session. */
  get chronicle(): Chronicle {
    return this.#of(this.#options.session).chronicle
  }

  chronicleOf(session: string): Chronicle {
    return this.#of(session).chronicle
  }

  /** Somebody else who wants to know what the chronicles learn, of all sessions. To be called before the run. */
  tell(reader: Reader): void {
    this.#readers.push(reader)
  }

  /** Stable events whose effect is not known to be done. */
  effectsOwed(): number {
    return this.#owed.open
  }

  /** Each component is active, or was, by the stable stream. */
  hasBegun(): boolean {
    return this.#options.components.every(({ name }) => this.#links.wasActive(name))
  }

  counts(): Record<string, number> {
    return { effectsRepeated: this.#owed.repeated, effectsCarried: this.#owed.carried, ...this.#links.counts() }
  }

  /** To be told everything, in this order. */
  get observers(): readonly SimObserver[] {
    return [this.#router(), this.#owed, { converged: (final) => this.#finish(final) }]
  }

  /** Hands on what is of one session to who judges it. */
  #router(): SimObserver {
    const of = ({ session }: SimProcess) => this.#of(session).calls
    const all = (): SimObserver[] => [...this.#sessions.values()].map(({ calls }) => calls)
    return {
      started: (process, nowUs) => {
        this.#running.set(process.node, process)
        this.#senders.delete(process.node)
        for (const one of all()) one.started?.(process, nowUs)
      },
      stopped: (process, how, error, nowUs) => {
        this.#running.delete(process.node)
        for (const one of all()) one.stopped?.(process, how, error, nowUs)
      },
      sent: (process, stream, bytes, nowUs) => this.#sent(process, stream, bytes, nowUs),
      appended: (process, ...args) => of(process).appended(process, ...args),
      durable: (process, ...args) => of(process).durable(process, ...args),
      truncated: (process, ...args) => of(process).truncated(process, ...args),
      promised: (process, ...args) => of(process).promised(process, ...args),
      recovered: (process, ...args) => of(process).recovered(process, ...args),
      began: (process, ...args) => of(process).began(process, ...args),
      delivered: (process, ...args) => of(process).delivered(process, ...args),
      stable: (process, ...args) => of(process).stable(process, ...args),
      revoked: (process, ...args) => of(process).revoked(process, ...args),
      digest: (process, ...args) => of(process).digest(process, ...args),
      effectBegan: (process, ...args) => of(process).effectBegan(process, ...args),
    }
  }

  #sent(process: SimProcess, stream: SimStream, bytes: Uint8Array, nowUs: number): void {
    if (stream === 'control') {
      const says = readControl(bytes)
      this.#senders.set(process.node, says.sender)
      this.#onControl(process, says)
      this.#of(says.session).calls.sent(process, stream, bytes, nowUs)
      return
    }
    const session = sessionOf(bytes)
    if (stream === 'event' && readMold(bytes) !== undefined) {
      this.#links.begins(session, `${process.node} sends events of ${session}`)
    }
    this.#of(session).calls.sent(process, stream, bytes, nowUs)
  }

  /** A session may be claimed, and must not be opened or said to go on, before the end of the one before is stable. */
  #onControl({ node }: SimProcess, says: ControlSays): void {
    const { kind, session } = says
    if (kind === 'sequencer' && reigns(says)) this.#links.begins(session, `${node} reigns in ${session}`)
    else if (kind === 'store' && says.successor !== '') {
      this.#links.begins(says.successor, `${node} says that ${session} goes on in ${says.successor}`)
    }
  }

  #of(session: string): SessionJudges {
    let judges = this.#sessions.get(session)
    if (judges === undefined) {
      const { voters } = this.#options
      const senderOf = (node: string): number => this.#senders.get(node) ?? 0
      judges = new SessionJudges({ session, voters, hotHot: this.#hotHot, senderOf })
      for (const reader of [this.#links, this.#owed, ...this.#readers]) judges.chronicle.tell(reader)
      for (const process of this.#running.values()) judges.calls.started(process, 0)
      this.#sessions.set(session, judges)
    }
    return judges
  }

  #finish(final: FinalState): void {
    this.#links.finish(final.session)
    this.#owed.finish()
    let carried: ReadonlyMap<string, Carry> = new Map()
    for (const session of this.#links.chain()) {
      const { chronicle, disks, order, state } = this.#of(session)
      if (session === final.session) {
        checkFinalLogs(chronicle, final)
        order.finish(final.hosts, chronicle.stableSequence)
        state.finish(this.#options.components, final.hosts, carried)
      } else {
        checkPastLogs(chronicle, disks, this.#links.endOf(session))
        carried = state.finish(this.#options.components, [], carried)
      }
    }
  }
}

export function createJudges(options: JudgesOptions): Judges {
  return new Judges(options)
}
