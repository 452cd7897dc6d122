/** The judges of one session: the checkers of G1 to G8 over its chronicle. */
import { Annals } from './checkers/annals.js'
import { Chronicle } from './checkers/chronicle.js'
import { Disks } from './checkers/disks.js'
import { NoFork } from './checkers/no-fork.js'
import { NothingLost } from './checkers/nothing-lost.js'
import { Order } from './checkers/order.js'
import { Passive } from './checkers/passive.js'
import { SameState } from './checkers/same-state.js'
import { Sources } from './checkers/sources.js'
import { type ObserverCalls, observeAll } from './observer.js'

export interface SessionJudgesOptions {
  readonly session: string
  readonly voters: readonly string[]
  /** Components of which every replica is active where one is. */
  readonly hotHot: ReadonlySet<string>
  /** The process of a node, by its number on the control stream; 0 until it has spoken. */
  readonly senderOf: (node: string) => number
}

export class SessionJudges {
  readonly chronicle: Chronicle
  readonly disks: Disks
  readonly nothingLost: NothingLost
  readonly order: Order
  readonly state: SameState
  /** To be told what happens in the session. */
  readonly calls: ObserverCalls

  constructor({ session, voters, hotHot, senderOf }: SessionJudgesOptions) {
    const chronicle = new Chronicle(session)
    this.chronicle = chronicle
    this.disks = new Disks(chronicle)
    this.nothingLost = new NothingLost(chronicle, this.disks, voters)
    this.order = new Order(chronicle)
    this.state = new SameState(chronicle)
    const sources = new Sources()
    const passive = new Passive(senderOf, hotHot)
    for (const reader of [this.nothingLost, new NoFork(chronicle), new Annals(), sources, this.state]) {
      chronicle.tell(reader)
    }
    const observers = [
      // What was sent is known before anybody can have it.
      { sent: chronicle.sent.bind(chronicle) },
      this.nothingLost,
      this.disks,
      this.order,
      sources,
      passive,
      this.state,
    ]
    this.calls = observeAll(observers, (thrown) => {
      throw thrown
    })
  }
}
