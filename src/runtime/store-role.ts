/**
 * The event store as a process: records the stream, acknowledges what is durable, answers requests, serves rewinds, and
 * fills its own gaps from the sequencer and from the other stores.
 */
import { type Clock, SystemClock } from '../core/clock.js'
import { nonZero } from '../core/counters.js'
import { messageOf, SeqcastError } from '../core/errors.js'
import { STORE_PENDING_PACKETS, STORE_REWIND_PENDING_PACKETS } from '../core/limits.js'
import { Authenticator } from '../net/auth.js'
import { UnicastSocket } from '../net/udp.js'
import type { EventLog } from '../protocol/event-log.js'
import { Retransmitter } from '../protocol/retransmitter.js'
import { ControlLink } from './control-link.js'
import { type Agent, DutyCycle } from './duty-cycle.js'
import { EventLink, type EventListener } from './event-link.js'
import { endOfRun } from './last-event.js'
import { type Role, type RoleOptions, randomIncarnation, SILENCE_US, STATUS_EVERY_US } from './options.js'
import { Outcome } from './outcome.js'
import { RewindListener } from './rewind-listener.js'

/**
 * An acknowledgement goes out at once when the last one is older than this. Everybody hears it, so under load the syncs of a
 * few milliseconds share one.
 */
const ACKNOWLEDGE_EVERY_US = 1_500
/** An acknowledgement that comes this shortly before a status is due is one. */
const STATUS_EARLY_US = 25_000

export interface StoreRoleOptions extends RoleOptions {
  /** How the store calls itself on the control stream; unique in a session. */
  readonly name: string
  /** Its voter id, or '' for a copy that has no vote. */
  readonly voter: string
  readonly requestPort: number
  readonly rewindPort: number
  /** The open log to record into; the role closes it. */
  readonly log: EventLog
  readonly clock?: Clock
}

export interface StoreRole extends Role {
  readonly requestPort: number
  readonly rewindPort: number
  readonly log: EventLog
}

/** Starts a store on an open log. @throws SeqcastError E_PORT_IN_USE, E_GROUP, E_INTERFACE */
export async function startStore(options: StoreRoleOptions): Promise<StoreRole> {
  const store = new StoreProcess(options)
  try {
    await store.open()
  } catch (error) {
    await store.close()
    throw error
  }
  return store
}

class StoreProcess implements StoreRole, Agent, EventListener {
  readonly log: EventLog
  readonly #options: StoreRoleOptions
  readonly #cycle: DutyCycle
  readonly #outcome = new Outcome()
  readonly #retransmitter: Retransmitter
  readonly #answerAuth: Authenticator
  readonly #requestAuth: Authenticator
  #control: ControlLink | undefined
  #events: EventLink | undefined
  #requests: UnicastSocket | undefined
  #rewinds: RewindListener | undefined
  #durableChanged = false
  #lastStatusUs = 0
  #lastAckUs = 0
  #state = 'starting'
  #overflow = 0
  #unauthenticatedRequests = 0

  constructor(options: StoreRoleOptions) {
    this.#options = options
    this.log = options.log
    this.#cycle = new DutyCycle(options.clock ?? new SystemClock(), options.idle)
    this.#answerAuth = new Authenticator(options.key, 'answer')
    this.#requestAuth = new Authenticator(options.key, 'request')
    this.#retransmitter = new Retransmitter(
      {
        session: options.session,
        datagramBytes: options.datagramBytes,
        tagBytes: this.#answerAuth.tagBytes,
        logger: options.logger,
      },
      this.log,
      { sendAnswer: (packet, peer) => this.#requests?.send(this.#answerAuth.seal(packet), peer.address, peer.port) },
    )
  }

  get done(): Promise<void> {
    return this.#outcome.promise
  }

  get requestPort(): number {
    return this.#requests?.port ?? 0
  }

  get rewindPort(): number {
    return this.#rewinds?.port ?? 0
  }

  async open(): Promise<void> {
    const options = this.#options
    const fail = (error: SeqcastError): void => this.#outcome.failed(error)
    this.log.onDurable(() => {
      this.#durableChanged = true
      this.#cycle.enter()
    })
    this.log.onFailure((error) => this.#outcome.failed(error))
    this.#cycle.start()
    const incarnation = randomIncarnation()
    this.#control = await ControlLink.open(options, incarnation, this.#cycle, fail)
    this.#refuseTwins(options)
    this.#requests = await UnicastSocket.open(
      { port: options.requestPort, interfaceAddress: options.interfaceAddress, onError: fail },
      (packet, address, port) => this.#onRequest(packet, address, port),
    )
    this.#rewinds = await RewindListener.open(
      { address: options.interfaceAddress, port: options.rewindPort },
      this.log,
      this.#cycle,
      options.logger,
    )
    this.#events = await EventLink.open(
      {
        ...options,
        nextSequence: this.log.nextSequence,
        startRewinding: this.log.nextSequence > 1,
        askSequencer: true,
        seed: incarnation,
      },
      this.#cycle,
      this.#control,
      this,
      fail,
    )
    this.#state = this.#events.receiver.state
    this.#cycle.add(this)
    this.#sendStatus(this.#cycle.enter(), true)
    options.logger.info(
      {
        session: options.session,
        name: options.name,
        voter: options.voter,
        nextSequence: this.log.nextSequence,
        requestPort: this.requestPort,
        rewindPort: this.rewindPort,
        receiveBufferBytes: this.#events.receiveBufferBytes,
      },
      'store: recording',
    )
  }

  async stop(reason: string): Promise<void> {
    this.#options.logger.info({ reason, nextSequence: this.log.nextSequence }, 'store: stopping')
    await this.close()
    this.#outcome.stopped()
    await this.done
  }

  async close(): Promise<void> {
    this.#events?.close()
    this.#requests?.close()
    await this.#rewinds?.close()
    await this.log.close()
    this.#state = 'stopped'
    this.#sendStatus(this.#cycle.enter(), true)
    this.#cycle.stop()
    this.#control?.close()
  }

  deliver(sequence: number, count: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.log.pendingPackets >= STORE_PENDING_PACKETS) {
      this.#overflow += 1
      this.#outcome.failed(
        new SeqcastError(
          'E_STORE_IO',
          `the disk does not keep up: ${this.log.pendingPackets} packets wait to be synced`,
          {
            hint: 'use a faster disk, or raise the datagram size so that packets hold more events',
            fields: { session: this.#options.session, sequence },
          },
        ),
      )
      return
    }
    try {
      this.log.append(sequence, count, bytes, start, end, this.#cycle.wallUs)
    } catch (error) {
      this.#outcome.failed(
        error instanceof SeqcastError
          ? error
          : new SeqcastError('E_STORE_IO', `recording event ${sequence} failed: ${messageOf(error)}`, { cause: error }),
      )
    }
    if (!endOfRun(bytes, start, end)) return
    const lastSequence = sequence + count - 1
    this.#rewinds?.onSessionEnded(lastSequence)
    this.#options.logger.info(
      { session: this.#options.session, lastSequence },
      'store: the session has ended, nothing more will come; this store stays and serves it',
    )
  }

  mustWait(): boolean {
    return this.log.pendingPackets >= STORE_REWIND_PENDING_PACKETS
  }

  stateChanged(state: string, reason: string): void {
    this.#state = state
    this.#options.logger.debug({ state, reason }, 'store: stream')
  }

  lost(from: number, to: number, reason: string): void {
    this.#outcome.failed(
      new SeqcastError(
        'E_LOST',
        `events ${from} to ${to} of session ${this.#options.session} can't be recovered: ${reason}`,
        {
          hint: 'start a store that has them, or import the session from an export, then start this one again',
          fields: { session: this.#options.session, from, to },
        },
      ),
    )
  }

  revoked(nextSequence: number, reason: string): void {
    this.lost(nextSequence, this.log.nextSequence - 1, `the sequencer was restarted without them (${reason})`)
  }

  flush(): void {}

  tick(nowUs: number): number {
    const dueUs = this.#lastStatusUs + STATUS_EVERY_US
    const isAckDue = this.#durableChanged && nowUs - this.#lastAckUs >= ACKNOWLEDGE_EVERY_US
    // One datagram for both, where both are due or nearly so: an idle session then wakes everybody once.
    if (isAckDue) this.#sendStatus(nowUs, nowUs >= dueUs - STATUS_EARLY_US)
    else if (nowUs >= dueUs) this.#sendStatus(nowUs, true)
    const statusAtUs = this.#lastStatusUs + STATUS_EVERY_US
    return this.#durableChanged ? Math.min(statusAtUs, this.#lastAckUs + ACKNOWLEDGE_EVERY_US) : statusAtUs
  }

  #onRequest(packet: Uint8Array, address: string, port: number): void {
    const request = this.#requestAuth.open(packet)
    if (request === undefined) this.#unauthenticatedRequests += 1
    else this.#retransmitter.onRequest(request, { address, port }, this.#cycle.enter())
  }

  /**
   * UDP groups can be shared without an error, so a second store of the same name is noticed by its status. Of the two,
   * the one that has just come goes.
   */
  #refuseTwins(options: StoreRoleOptions): void {
    const untilUs = this.#cycle.enter() + SILENCE_US
    this.#control?.listen((message, _address, nowUs) => {
      if (message.kind !== 'store' || message.body.name !== options.name) return
      if (message.body.state === 'stopped' || nowUs > untilUs) return
      this.#outcome.failed(
        new SeqcastError(
          'E_SECOND_INSTANCE',
          `another store named '${options.name}' runs on session ${options.session}`,
          {
            hint: 'give one of them another --name and --voter',
            fields: { session: options.session, name: options.name },
          },
        ),
      )
    })
  }

  /** An acknowledgement is a status without counters: those are for people, who look a few times a second. */
  #sendStatus(nowUs: number, withCounters: boolean): void {
    if (withCounters) this.#lastStatusUs = nowUs
    this.#lastAckUs = nowUs
    this.#durableChanged = false
    this.#control?.send('store', {
      name: this.#options.name,
      voter: this.#options.voter,
      epoch: 1,
      promised: 0,
      lastEpoch: 1,
      durableSequence: this.log.durableSequence,
      committedSequence: this.log.committedSequence,
      requestPort: this.requestPort,
      rewindPort: this.rewindPort,
      state: this.#state,
      counters: withCounters ? nonZero(this.counters()) : {},
    })
  }

  counters(): Record<string, number> {
    return {
      ...this.#events?.receiver.counters,
      ...prefixed('link', this.#events?.counters ?? {}),
      ...prefixed('retransmit', this.#retransmitter.counters),
      ...this.#control?.dropped,
      unauthenticatedRequests: this.#unauthenticatedRequests,
      rewindClients: this.#rewinds?.clients ?? 0,
      refusedClients: this.#rewinds?.refusedClients ?? 0,
      overflow: this.#overflow,
    }
  }
}

function prefixed(prefix: string, counters: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counters).map(([name, count]) => [`${prefix}.${name}`, count]))
}
