/**
 * What the active sequencer does with the network: the sockets around the machine, and which machine they feed. The machine
 * that reads a session passively has the same sockets; it hears and says nothing until it reigns.
 */
import { nonZero } from '../core/counters.js'
import type { SeqcastError } from '../core/errors.js'
import { delay } from '../core/timers.js'
import { Authenticator } from '../net/auth.js'
import type { PacketReceiver, PacketSender } from '../net/network.js'
import { Sequencer } from '../protocol/sequencer.js'
import { isSequencing } from '../protocol/sequencer-states.js'
import type { SequencerState } from '../protocol/sequencer-types.js'
import type { ControlLink } from './control-link.js'
import type { Agent, DutyCycle } from './duty-cycle.js'
import { withFaults } from './faults.js'
import type { SequencerRoleOptions } from './sequencer-role.js'
import type { SessionPort } from './session-port.js'

/** Twenty chances for everybody to hear that a session without voters is continued, and from where on. */
const SETTLE_US = 200_000

/** A sequencer that is stopped waits so long for what it has published to become stable. */
const DRAIN_US = 5_000_000
const DRAIN_POLL_MS = 2
/** That it goes is said so often, since a datagram may be lost, and so far apart. */
const FAREWELLS = 3
const FAREWELL_EVERY_MS = 5

/** What the control stream dropped shows among the sequencer's own counters. */
const DROPPED_CONTROL = {
  unauthenticated: 'unauthenticated',
  malformed: 'malformed-control',
  foreignSession: 'foreign-control',
} as const

export class Reigning {
  readonly #options: SequencerRoleOptions
  readonly #cycle: DutyCycle
  readonly #control: ControlLink
  readonly #onError: (error: SeqcastError) => void
  readonly #eventAuth: Authenticator
  readonly #answerAuth: Authenticator
  readonly #commandAuth: Authenticator
  readonly #requestAuth: Authenticator
  #events: PacketSender | undefined
  readonly #requests: SessionPort
  #commands: PacketReceiver | undefined
  /** The machine that is fed. */
  #reigning: Sequencer | undefined
  #agent: Agent | undefined
  #unlisten: () => void = () => {}
  #unroute: () => void = () => {}
  #isDraining = false
  /** What the process has counted beside the machine, for its heartbeats. */
  otherCounters: () => Readonly<Record<string, number>> = () => ({})

  private constructor(
    options: SequencerRoleOptions,
    cycle: DutyCycle,
    control: ControlLink,
    requests: SessionPort,
    onError: (error: SeqcastError) => void,
  ) {
    this.#options = options
    this.#cycle = cycle
    this.#control = control
    this.#requests = requests
    this.#onError = onError
    this.#eventAuth = new Authenticator(options.key, 'event')
    this.#answerAuth = new Authenticator(options.key, 'answer')
    this.#commandAuth = new Authenticator(options.key, 'command')
    this.#requestAuth = new Authenticator(options.key, 'request')
  }

  /**
   * Opens what is sent through; commands are received when somebody reigns.
   * @param requests the port that requests of the session come to
   * @throws SeqcastError E_INTERFACE, E_SEND
   */
  static async open(
    options: SequencerRoleOptions,
    cycle: DutyCycle,
    control: ControlLink,
    requests: SessionPort,
    onError: (error: SeqcastError) => void,
  ): Promise<Reigning> {
    const reigning = new Reigning(options, cycle, control, requests, onError)
    const at = { interfaceAddress: options.interfaceAddress, onError }
    const { network } = cycle.platform
    try {
      reigning.#events = await network.openMulticastSender({ ...options.eventGroup, ...at })
      reigning.#unroute = requests.route(options.session, (packet, address, port) =>
        reigning.#onRequest(packet, address, port),
      )
    } catch (error) {
      reigning.close()
      throw error
    }
    return reigning
  }

  get requestPort(): number {
    return this.#requests.port
  }

  /** A machine that speaks through these sockets once it is opened. */
  create(stateChanged: (state: SequencerState, reason: string) => void): Sequencer {
    const { options, cycle } = { options: this.#options, cycle: this.#cycle }
    return new Sequencer(
      {
        session: options.session,
        datagramBytes: options.datagramBytes,
        tagBytes: this.#eventAuth.tagBytes,
        voters: options.voters,
        incarnation: this.#control.sender,
        requestPort: this.requestPort,
        settleUs: options.voters.length === 0 ? SETTLE_US : 0,
        logger: options.logger,
        ...(options.tickUs === undefined ? {} : { tickUs: options.tickUs }),
        ...(options.seeders === undefined ? {} : { seeders: options.seeders }),
        ...(options.staticEvents === undefined ? {} : { staticEvents: options.staticEvents }),
      },
      {
        sendEvents: (packet) => {
          this.#events?.send(this.#eventAuth.seal(packet))
          cycle.expectAnswer()
        },
        sendAnswer: (packet, peer) => this.#requests.send(this.#answerAuth.seal(packet), peer.address, peer.port),
        sendControl: (kind, body) => {
          // A full heartbeat has counters, and was made to be sent once.
          const counters = kind === 'sequencer' && 'counters' in body ? body.counters : {}
          if (counters.events !== undefined) Object.assign(counters, nonZero(this.otherCounters()))
          this.#control.send(kind, body)
        },
        stateChanged,
      },
    )
  }

  /** Receives commands from now on; they are dropped until a machine reigns. */
  async listen(): Promise<void> {
    const { options, cycle } = { options: this.#options, cycle: this.#cycle }
    const at = { interfaceAddress: options.interfaceAddress, onError: this.#onError }
    this.#commands ??= await cycle.platform.network.openMulticastReceiver(
      { ...options.commandGroup, ...at },
      withFaults(options.faults, 'command', cycle, (packet, nowUs) => this.#onCommands(packet, nowUs)),
    )
  }

  /** Opens the machine, and feeds it until it is stopped; `listen` comes before. */
  reign(sequencer: Sequencer, open: (nowUs: number, wallUs: number) => void): void {
    const cycle = this.#cycle
    this.#unlisten = this.#control.listen((message, _address, nowUs) =>
      sequencer.onControl(message, nowUs, cycle.wallUs),
    )
    this.#control.onDropped = (reason) => {
      sequencer.counters[DROPPED_CONTROL[reason]] += 1
    }
    this.#reigning = sequencer
    const nowUs = cycle.enter()
    open(nowUs, cycle.wallUs)
    this.#agent = {
      flush: (flushUs, wallUs) => sequencer.flush(flushUs, wallUs),
      tick: (tickUs, wallUs) => sequencer.tick(tickUs, wallUs),
    }
    cycle.add(this.#agent)
    const { session, logger } = this.#options
    const receiveBufferBytes = this.#commands?.receiveBufferBytes ?? 0
    logger.info({ session, nextSequence: sequencer.nextSequence, receiveBufferBytes }, 'sequencer: session open')
  }

  /** Feeds no machine any more, and leaves the command stream. */
  rest(): void {
    this.#unlisten()
    this.#unlisten = () => {}
    this.#control.onDropped = () => {}
    if (this.#agent !== undefined) this.#cycle.remove(this.#agent)
    this.#agent = undefined
    this.#reigning = undefined
    this.#commands?.close()
    this.#commands = undefined
  }

  /**
   * Takes no more commands, and waits until what was published is stable: only the one that sent it can still give the
   * stores what they lack. Then the session is left open, and a standby is told that it need not wait for silence.
   */
  async handOver(): Promise<void> {
    const { timers } = this.#cycle.platform
    this.#isDraining = true
    const untilUs = this.#cycle.enter() + DRAIN_US
    do await delay(timers, DRAIN_POLL_MS)
    while (this.#hasUnstable() && this.#cycle.enter() < untilUs)
    const sequencer = this.#reigning
    if (sequencer === undefined || this.#options.voters.length === 0) return
    if (sequencer.state === 'ending' || !isSequencing(sequencer.state)) return
    // From here on it neither numbers nor speaks: a sign of life would take the farewell back.
    this.rest()
    for (let i = 0; i < FAREWELLS; i++) {
      if (i > 0) await delay(timers, FAREWELL_EVERY_MS)
      this.#sayFarewell(sequencer)
    }
  }

  close(): void {
    this.rest()
    this.#unroute()
    this.#events?.close()
  }

  #sayFarewell(sequencer: Sequencer): void {
    const { epoch, nextSequence, stableSequence } = sequencer
    this.#control.send('sequencer', {
      ...{ epoch, nextSequence, stableSequence, publishedIsStable: false },
      ...{ epochTable: [], state: 'stopped', held: false, requestPort: this.requestPort, counters: {} },
    })
  }

  #hasUnstable(): boolean {
    const sequencer = this.#reigning
    if (sequencer === undefined || sequencer.state === 'stopped') return false
    return sequencer.stableSequence < sequencer.nextSequence - 1
  }

  #onCommands(packet: Uint8Array, nowUs: number): void {
    const sequencer = this.#reigning
    if (sequencer === undefined) return
    const body = this.#commandAuth.open(packet)
    if (body === undefined) sequencer.counters.unauthenticated += 1
    else if (!this.#isDraining) sequencer.onCommandPacket(body, nowUs, this.#cycle.wallUs)
  }

  #onRequest(packet: Uint8Array, address: string, port: number): void {
    const nowUs = this.#cycle.enter()
    const sequencer = this.#reigning
    if (sequencer === undefined) return
    const request = this.#requestAuth.open(packet)
    if (request === undefined) sequencer.counters.unauthenticated += 1
    else sequencer.onRequest(request, { address, port }, nowUs)
  }
}
