/**
 * Stores that have nothing of a session, and have the one that ended with going on in it, say so. A sequencer that was started with the id
 * of the second one begins where the first has ended. Mostly it hears that before it does anything; here is what it hears later.
 */
import { SeqcastError } from '../core/errors.js'
import type { Sequencer } from '../protocol/sequencer.js'
import type { StoreStatus } from '../wire/control.js'
import { WAITING } from './last-words.js'
import { readSuccessor } from './predecessor.js'
import type { RunOptions } from './sequencer-run.js'
import type { RewindSource } from './session-start.js'

/** Anybody may say anything; each word is looked into. */
const MAX_STORES = 16

interface Follower extends RewindSource {
  readonly predecessor: string
}

export interface ToldPredecessorOutput {
  machine(): Sequencer
  /** No store is known to have any of the session, and there is no majority that would. */
  isUnrecorded(): boolean
  failed(error: SeqcastError): void
}

export class ToldPredecessor {
  readonly #run: RunOptions
  readonly #output: ToldPredecessorOutput
  readonly #followers = new Map<string, Follower>()

  constructor(run: RunOptions, output: ToldPredecessorOutput) {
    this.#run = run
    this.#output = output
  }

  onStore({ name, predecessor = '', rewindPort, state }: StoreStatus, address: string): void {
    if (predecessor === '' || this.#run.predecessor !== '' || this.#followers.size >= MAX_STORES) return
    const machine = this.#output.machine()
    if (machine.goesOnFrom !== '' || this.#followers.get(name)?.predecessor === predecessor) return
    const follower = { name, address, rewindPort, predecessor }
    this.#followers.set(name, follower)
    if (machine.nextSequence === 1) {
      // One whose store is in this session already is told when the session is opened.
      if (state === WAITING) this.#failWhereTrue(follower, notBegun)
    } else if (this.#output.isUnrecorded()) this.#failWhereTrue(follower, begunWithout)
  }

  /** The session that a store says, and its record, that this one is to go on from; '' for none. */
  async session(): Promise<string> {
    for (const follower of this.#followers.values()) if (await this.#isTrue(follower)) return follower.predecessor
    return ''
  }

  #failWhereTrue(follower: Follower, error: (session: string, follower: Follower) => SeqcastError): void {
    void this.#isTrue(follower).then((isTrue) => {
      if (isTrue) this.#output.failed(error(this.#run.options.session, follower))
      else this.#followers.delete(follower.name)
    })
  }

  async #isTrue(follower: Follower): Promise<boolean> {
    const { options, cycle } = this.#run
    return (await readSuccessor(follower.predecessor, follower, options, cycle)) === options.session
  }
}

function notBegun(session: string, { name, predecessor }: Follower): SeqcastError {
  return new SeqcastError(
    'E_SESSION_NEEDS_STORE',
    `session ${session} goes on from session ${predecessor}, and store ${name} waits until the end of that one is stable`,
    {
      hint: 'start this sequencer again, now that its stores are there: it begins with the end of that session',
      fields: { session, predecessor, store: name },
    },
  )
}

function begunWithout(session: string, { name, predecessor }: Follower): SeqcastError {
  return new SeqcastError(
    'E_SESSION_EXISTS',
    `store ${name} has session ${predecessor}, which goes on in ${session}; this sequencer heard no store, and began ${session} without what is carried over`,
    {
      hint: `stop that store, move what it may have of ${session} away (DIR/${session}), start it, and then the sequencer`,
      fields: { session, predecessor, store: name },
    },
  )
}
