/**
 * The sequencer as a process: sockets around the machine, and the start-up that keeps a session from being begun twice.
 */
import { type Clock, SystemClock } from '../core/clock.js'
import { SeqcastError } from '../core/errors.js'
import { Authenticator } from '../net/auth.js'
import { MulticastReceiver, MulticastSender, UnicastSocket } from '../net/udp.js'
import type { Peer } from '../protocol/peer.js'
import { Sequencer } from '../protocol/sequencer.js'
import type { SequencerState } from '../protocol/sequencer-types.js'
import { ControlLink } from './control-link.js'
import { type Agent, DutyCycle } from './duty-cycle.js'
import { withFaults } from './faults.js'
import { type Role, type RoleOptions, randomIncarnation } from './options.js'
import { Outcome } from './outcome.js'
import { rebuildFrom, surveySession } from './session-start.js'

/** Twenty chances for everybody to hear that a session is continued, and from where on. */
const SETTLE_US = 200_000

/** A sequencer that is stopped waits so long for what it has published to become stable. */
const DRAIN_US = 5_000_000
const DRAIN_POLL_MS = 2

/** What the control stream dropped shows among the sequencer's own counters. */
const DROPPED_CONTROL = {
  unauthenticated: 'unauthenticated',
  malformed: 'malformed-control',
  foreignSession: 'foreign-control',
} as const

export interface SequencerRoleOptions extends RoleOptions {
  /** Names of the stores whose majority makes events stable; none: published is stable. */
  readonly voters: readonly string[]
  readonly requestPort: number
  /** A Tick event after this long without an event; 0: none. */
  readonly tickUs?: number
  /** How long to wait for a majority of the voters before refusing. */
  readonly startTimeoutUs?: number
  readonly clock?: Clock
}

export interface SequencerRole extends Role {
  readonly sequencer: Sequencer
}

/**
 * Starts a sequencer. It resolves when the session is open.
 * @throws SeqcastError E_SECOND_SEQUENCER, E_SESSION_NEEDS_STORE, E_PORT_IN_USE, E_GROUP, E_INTERFACE
 */
export async function startSequencer(options: SequencerRoleOptions): Promise<SequencerRole> {
  const clock = options.clock ?? new SystemClock()
  const cycle = new DutyCycle(clock, options.idle)
  const incarnation = randomIncarnation()
  const outcome = new Outcome()
  const fail = (error: SeqcastError): void => outcome.failed(error)
  const closers: (() => void)[] = [() => cycle.stop()]
  const closeAll = (): void => {
    for (const close of closers.splice(0).reverse()) close()
  }
  try {
    cycle.start()
    const control = await ControlLink.open(options, incarnation, cycle, fail)
    closers.push(() => control.close())
    const role = await openSequencer(options, cycle, control, incarnation, outcome, closers)
    outcome.promise.then(closeAll, closeAll)
    return role
  } catch (error) {
    closeAll()
    throw error
  }
}

async function openSequencer(
  options: SequencerRoleOptions,
  cycle: DutyCycle,
  control: ControlLink,
  incarnation: number,
  outcome: Outcome,
  closers: (() => void)[],
): Promise<SequencerRole> {
  const fail = (error: SeqcastError): void => outcome.failed(error)
  const recorded = await surveySession(options, control)
  const at = { interfaceAddress: options.interfaceAddress, onError: fail }
  const events = await MulticastSender.open({ ...options.eventGroup, ...at })
  closers.push(() => events.close())
  const eventAuth = new Authenticator(options.key, 'event')
  const answerAuth = new Authenticator(options.key, 'answer')
  const commandAuth = new Authenticator(options.key, 'command')
  const requestAuth = new Authenticator(options.key, 'request')

  const requests = await openRequests(options, cycle, fail, (packet, peer, nowUs) => {
    const request = requestAuth.open(packet)
    if (request === undefined) sequencer.counters.unauthenticated += 1
    else sequencer.onRequest(request, peer, nowUs)
  })
  closers.push(() => requests.close())

  const sequencer = new Sequencer(
    {
      session: options.session,
      datagramBytes: options.datagramBytes,
      tagBytes: eventAuth.tagBytes,
      voters: options.voters,
      incarnation,
      requestPort: requests.port,
      settleUs: SETTLE_US,
      logger: options.logger,
      ...(options.tickUs === undefined ? {} : { tickUs: options.tickUs }),
    },
    {
      sendEvents: (packet) => {
        events.send(eventAuth.seal(packet))
        cycle.expectAnswer()
      },
      sendAnswer: (packet, peer) => requests.send(answerAuth.seal(packet), peer.address, peer.port),
      sendControl: (kind, body) => control.send(kind, body),
      stateChanged: (state, reason) => onState(state, reason, options.session, outcome),
    },
  )
  if (recorded !== undefined) await rebuildFrom(sequencer, recorded, options, cycle)

  let isStopping = false
  const commands = await MulticastReceiver.open(
    { ...options.commandGroup, ...at },
    withFaults(options.faults, 'command', cycle, (packet, nowUs) => {
      const body = commandAuth.open(packet)
      if (body === undefined) sequencer.counters.unauthenticated += 1
      else if (!isStopping) sequencer.onCommandPacket(body, nowUs, cycle.wallUs)
    }),
  )
  closers.push(() => commands.close())
  control.listen((message, _address, nowUs) => sequencer.onControl(message, nowUs, cycle.wallUs))
  control.onDropped = (reason) => {
    sequencer.counters[DROPPED_CONTROL[reason]] += 1
  }
  const agent: Agent = {
    flush: (nowUs, wallUs) => sequencer.flush(nowUs, wallUs),
    tick: (nowUs, wallUs) => sequencer.tick(nowUs, wallUs),
  }
  const nowUs = cycle.enter()
  sequencer.open(nowUs, cycle.wallUs)
  cycle.add(agent)
  options.logger.info(
    { session: options.session, nextSequence: sequencer.nextSequence, receiveBufferBytes: commands.receiveBufferBytes },
    'sequencer: session open',
  )
  return {
    sequencer,
    done: outcome.promise,
    async stop(reason) {
      // A stopped sequencer leaves its session open: it, or another one, can go on from a store. Only this one can still
      // give the stores what they lack, so it takes no more commands and stays until they have it.
      isStopping = true
      const untilUs = cycle.enter() + DRAIN_US
      do await new Promise<void>((resolve) => setTimeout(resolve, DRAIN_POLL_MS))
      while (sequencer.stableSequence < sequencer.nextSequence - 1 && cycle.enter() < untilUs)
      options.logger.info({ reason, nextSequence: sequencer.nextSequence }, 'sequencer: stopped')
      outcome.stopped()
      await outcome.promise
    },
  }
}

function onState(state: SequencerState, reason: string, session: string, outcome: Outcome): void {
  if (state === 'ended') outcome.stopped()
  if (state !== 'stopped') return
  const details = { hint: 'stop one of them, or give one another --session and other groups', fields: { session } }
  outcome.failed(
    reason === 'behind-store'
      ? new SeqcastError(
          'E_SESSION_EXISTS',
          `a store has recorded more of session ${session} than this sequencer has sent`,
          {
            hint: 'start the sequencer again: it will rebuild itself from that store',
            fields: { session },
          },
        )
      : new SeqcastError('E_SECOND_SEQUENCER', `another sequencer runs session ${session}: this one stopped`, details),
  )
}

async function openRequests(
  options: SequencerRoleOptions,
  cycle: DutyCycle,
  onError: (error: SeqcastError) => void,
  onRequest: (packet: Uint8Array, peer: Peer, nowUs: number) => void,
): Promise<UnicastSocket> {
  return UnicastSocket.open(
    { port: options.requestPort, interfaceAddress: options.interfaceAddress, onError },
    (packet, address, port) => {
      const peer = { address, port }
      onRequest(packet, peer, cycle.enter())
    },
  )
}
