/**
 * A component as a process: the event link feeds the host, the host's commands go out on the command stream, its status on
 * the control stream. Where nobody is active, or the active replica has fallen silent, it offers itself.
 */
import type { Carry } from '../component/carry.js'
import type { Component } from '../component/definition.js'
import type { ComponentHost } from '../component/host.js'
import type { HostOptions, HostOutput, Survivors } from '../component/host-options.js'
import { nonZero } from '../core/counters.js'
import { SeqcastError } from '../core/errors.js'
import { Prng } from '../core/prng.js'
import { Authenticator } from '../net/auth.js'
import type { PacketSender } from '../net/network.js'
import { Succession } from '../protocol/succession.js'
import type { ControlMessage, SequencerHeartbeat } from '../wire/control.js'
import { BLOCK_LENGTH_BYTES, skipBlocks } from '../wire/moldudp64.js'
import { ComponentCheckpoints } from './component-checkpoints.js'
import type { ComponentRoleOptions } from './component-options.js'
import { ControlLink } from './control-link.js'
import { type Agent, DutyCycle } from './duty-cycle.js'
import { EventLink, type EventListener } from './event-link.js'
import { HostBegin } from './host-begin.js'
import { hasLargeMaps } from './large-checkpoints.js'
import { newestSession } from './newest-session.js'
import { type Role, SILENCE_US, STATUS_EVERY_US } from './options.js'
import { Outcome } from './outcome.js'
import { systemPlatform } from './platform.js'
import { SkipAhead } from './skip-ahead.js'

export interface ComponentRole extends Role {
  readonly host: ComponentHost
}

/** Starts a replica of a component. @throws SeqcastError E_GROUP, E_INTERFACE, E_SEND, E_STORE_IO */
export async function startComponent(component: Component, options: ComponentRoleOptions): Promise<ComponentRole> {
  const { checkpoints: wanted, platform = systemPlatform() } = options
  // The checkpoints are those of the session that goes on. Without any, events that are left out are left out while they are opened.
  const session = wanted === undefined ? options.session : await newestSession(options, platform)
  const here = { ...options, session, platform }
  const checkpoints =
    wanted === undefined ? undefined : await ComponentCheckpoints.open(component, here, wanted, platform)
  if (wanted?.directory === undefined && hasLargeMaps(component)) {
    const message = 'large maps: all of them are kept in memory; checkpoints would give them files (--checkpoints DIR)'
    options.logger.warn({ component: component.name }, message)
  }
  const process = new ComponentProcess(component, here, checkpoints)
  try {
    await process.open()
  } catch (error) {
    process.close()
    throw error
  }
  return process
}

class ComponentProcess implements ComponentRole, Agent, EventListener {
  readonly #component: Component
  readonly #options: ComponentRoleOptions
  readonly #cycle: DutyCycle
  readonly #outcome = new Outcome()
  readonly #incarnation: number
  readonly #commandAuth: Authenticator
  readonly #succession: Succession
  readonly #skip: SkipAhead
  readonly #checkpoints: ComponentCheckpoints | undefined
  readonly #begin: HostBegin
  #host: ComponentHost
  /** The session that it is in: another one of the chain after `#enter`. */
  #session: string
  /** What it has brought from the session before. */
  #carry: Carry | undefined
  /** The event that ends the session and names another one; 0 while there is none. */
  #rolledAt = 0
  /** What a session that was left behind is read for: the seed of the next one. It must not be skipped. */
  #goesBack = false
  /** The session had ended before this process began, and this one goes on; '' for none, or where that is not known. */
  #endedBefore = ''
  /** Events were delivered in this session. */
  #hasRead = false
  /** Another host has begun, and what is still delivered is not for it. */
  #isReopening = false
  #control: ControlLink | undefined
  #events: EventLink | undefined
  #commands: PacketSender | undefined
  #startedUs = 0
  #lastStatusUs = 0
  #restarts = 0
  /** Why the stream is to be read again from its beginning, where that was learnt while it was being opened. */
  #revokedWhileOpening = ''
  #isClosed = false

  constructor(component: Component, options: ComponentRoleOptions, checkpoints: ComponentCheckpoints | undefined) {
    this.#component = component
    this.#options = options
    this.#session = options.session
    this.#checkpoints = checkpoints
    const platform = options.platform ?? systemPlatform()
    this.#incarnation = platform.random()
    this.#cycle = new DutyCycle(platform, options.idle)
    this.#skip = new SkipAhead(platform.timers)
    this.#commandAuth = new Authenticator(options.key, 'command')
    const { standby, manual = false, rank = 0, suspectUs } = options
    this.#succession = new Succession({
      ...{ incarnation: this.#incarnation, standby, manual, rank, hotHot: component.hotHot },
      ...(suspectUs === undefined ? {} : { suspectUs }),
      jitter: new Prng(this.#incarnation),
    })
    this.#begin = new HostBegin(component, this.#hostOptions(), this.#hostOutput(), checkpoints)
    this.#host = this.#createHost()
  }

  get host(): ComponentHost {
    return this.#host
  }

  get done(): Promise<void> {
    return this.#outcome.promise
  }

  async open(): Promise<void> {
    const options = this.#options
    const fail = (error: SeqcastError): void => this.#outcome.failed(error)
    this.#cycle.start()
    this.#startedUs = this.#cycle.enter()
    this.#control = await ControlLink.open(options, this.#incarnation, this.#cycle, fail)
    this.#control.listen((message, _address, nowUs) => this.#onControl(message, nowUs))
    this.#commands = await this.#cycle.platform.network.openMulticastSender({
      ...options.commandGroup,
      interfaceAddress: options.interfaceAddress,
      onError: fail,
    })
    await this.#checkpoints?.serve(this.#cycle)
    await this.#openEvents()
    this.#cycle.add(this)
    this.#cycle.enter()
    options.logger.info(
      {
        session: options.session,
        component: this.#component.name,
        instance: options.instance,
        receiveBufferBytes: this.#events?.receiveBufferBytes,
      },
      'component: started',
    )
  }

  async stop(reason: string): Promise<void> {
    this.#host.stop(reason)
    this.#cycle.enter()
    // One more turn, so that what the host appended goes out.
    const { timers } = this.#cycle.platform
    await new Promise<void>((resolve) => timers.defer(() => timers.defer(resolve)))
    this.#sendStatus(this.#cycle.enter())
    this.close()
    this.#outcome.stopped()
    await this.done
  }

  close(): void {
    this.#isClosed = true
    this.#cycle.stop()
    this.#events?.close()
    this.#commands?.close()
    this.#control?.close()
    this.#checkpoints?.close().catch((error: Error) => {
      this.#options.logger.warn({ error: error.message }, 'component: closing its checkpoints failed')
    })
  }

  deliver(sequence: number, count: number, bytes: Uint8Array, start: number, end: number, nowUs: number): void {
    if (this.#isReopening) return
    this.#hasRead = true
    if (this.#begin.isUnproven) {
      if (!this.#begin.proves(bytes, start)) this.#beginBefore(`the stream has another event ${sequence}`)
      else if (count > 1) this.deliver(sequence + 1, count - 1, bytes, skipBlocks(bytes, start, 1), end, nowUs)
      return
    }
    this.#host.onRun(sequence, count, bytes, start, end, nowUs)
    const checkpoints = this.#checkpoints
    if (checkpoints !== undefined && sequence + count > checkpoints.dueSequence) {
      const lastAt = skipBlocks(bytes, start, count - 1) + BLOCK_LENGTH_BYTES
      // A host that has stopped in between has no more than it handled.
      if (this.#host.nextSequence === sequence + count) checkpoints.onDue(this.#host, bytes.subarray(lastAt, end))
    }
  }

  stateChanged(state: string, reason: string): void {
    const nowUs = this.#cycle.enter()
    if (this.#isReopening) return
    if (state === 'live' && this.#begin.isUnproven) {
      this.#beginBefore(`the stream ends before event ${this.#begin.sequence}`)
    } else if (state === 'live' && this.#host.lacksSeed) this.#goBack()
    else if (state === 'live') this.#host.onCaughtUp(nowUs)
    else if (state === 'rewinding') this.#host.onFellBehind(reason)
  }

  lost(from: number, to: number, reason: string): void {
    this.#fail(
      new SeqcastError('E_LOST', `events ${from} to ${to} of session ${this.#session} can't be recovered: ${reason}`, {
        hint: 'start a store that has them; the component stopped before the hole',
        fields: { session: this.#session, component: this.#component.name, from, to },
      }),
    )
  }

  sequencerHeard(heartbeat: SequencerHeartbeat, nowUs: number): void {
    const { nextSequence, stableSequence, held } = heartbeat
    // What was not sent yet is not stable; at most the heartbeat is wrong.
    if (stableSequence < nextSequence) this.#host.onStable(stableSequence, nowUs)
    this.#host.onHeld(held)
    this.#succession.onSequencer(nowUs)
  }

  /**
   * What was handled is partly revoked: the state is built again from the beginning. The same process may still be the active one: that
   * is for the branch that lives to say.
   */
  revoked(nextSequence: number, reason: string): void {
    this.#restarts += 1
    this.#rolledAt = 0
    const stable = this.#host.stableSequence
    this.#checkpoints?.dropFrom(nextSequence)
    this.#succession.revoked()
    this.#host = this.#createHost(this.#host.revoked(nextSequence, reason), Math.min(nextSequence, stable + 1))
    const fromSequence = this.#begin.sequence
    this.#options.logger.warn({ nextSequence, fromSequence, reason }, 'component: events were revoked, rewinding')
    if (this.#events === undefined) this.#revokedWhileOpening = reason
    else this.#events.reopen(fromSequence, true, reason)
  }

  flush(nowUs: number): void {
    this.#host.flush(nowUs)
    this.#checkpoints?.onStable(this.#host.stableSequence)
  }

  tick(nowUs: number): number {
    if (this.#host.lacksSeed && this.#events?.receiver.state === 'live') this.#goBack()
    this.#comeBack(nowUs)
    this.#offerItself(nowUs)
    if (nowUs - this.#lastStatusUs >= STATUS_EVERY_US) this.#sendStatus(nowUs)
    const ownUs = Math.min(this.#lastStatusUs + STATUS_EVERY_US, this.#succession.nextLookUs(nowUs))
    return Math.min(this.#host.tick(nowUs), ownUs)
  }

  async #openEvents(): Promise<void> {
    if (this.#control === undefined) return
    const events = await EventLink.open(
      {
        ...this.#options,
        ...this.#begin.link,
        ...{ startRewinding: true, askSequencer: false, seed: this.#incarnation },
      },
      this.#cycle,
      this.#control,
      this,
      (error) => this.#outcome.failed(error),
    )
    if (this.#isClosed) {
      events.close()
      return
    }
    this.#events = events
    if (this.#rolledAt !== 0) this.#expectSuccessor()
    else if (this.#endedBefore !== '') this.#skipTo(this.#endedBefore)
    if (this.#revokedWhileOpening !== '') events.reopen(this.#begin.sequence, true, this.#revokedWhileOpening)
  }

  /**
   * A process that begins on a session that has ended, the first one of a long chain for instance, need not read it: what lives on is in the
   * next one. Where something is missing there, it comes back.
   */
  #onSuccessorTold(successor: string): void {
    if (this.#hasRead || this.#goesBack || this.#carry !== undefined || !this.#skip.believes(successor)) return
    if (this.#events === undefined) this.#endedBefore = successor
    else this.#skipTo(successor)
  }

  #skipTo(successor: string): void {
    if (this.#hasRead) return
    this.#skip.skipped(this.#session, successor, this.#cycle.enter())
    this.#enter(successor, undefined, true, { reason: `session ${this.#session} has ended` })
  }

  #comeBack(nowUs: number): void {
    const session = this.#skip.wayBack(nowUs)
    if (session === '' || this.#hasRead) return
    this.#enter(session, undefined, true, { reason: `nobody speaks for session ${this.#session}` })
  }

  /** The session has ended, and another one goes on: as soon as that is known to be stable. */
  #expectSuccessor(): void {
    this.#events?.expect(this.#host.successor, this.#rolledAt, () => this.#goOn())
  }

  /** The process goes over into the next session, on the same groups, in the same turn. */
  #goOn(): void {
    const { successor, lacksSeed, state } = this.#host
    if (lacksSeed) {
      this.#goBack()
      return
    }
    try {
      const carry = this.#host.carryOver()
      const { seed, outside } = carry
      const figures = { seedEvents: seed.events.length, effects: seed.effects.length, commands: seed.pending.length }
      this.#goesBack = false
      this.#enter(successor, carry, state === 'rewinding', { ...figures, outside: outside.length })
    } catch (thrown) {
      if (!(thrown instanceof SeqcastError)) throw thrown
      this.#fail(thrown)
    }
  }

  /** What the component begins this session with is not all there, and nobody but the session before tells what is missing. */
  #goBack(): void {
    const { predecessor } = this.#host
    this.#goesBack = true
    const reason = `the seed of session ${this.#session} is not complete, and this replica was not there when ${predecessor} ended`
    this.#enter(predecessor, undefined, true, { reason })
  }

  #enter(session: string, carry: Carry | undefined, startRewinding: boolean, fields: object): void {
    const { logger } = this.#options
    const from = this.#session
    logger.info(
      { from, session, component: this.#component.name, ...fields },
      `component: goes on in session ${session}`,
    )
    this.#session = session
    this.#carry = carry
    this.#rolledAt = 0
    this.#hasRead = false
    this.#isReopening = false
    this.#checkpoints?.enter(session)
    this.#succession.revoked()
    this.#host = this.#createHost()
    this.#events?.follow(session, startRewinding)
    const nowUs = this.#cycle.enter()
    if (!startRewinding) this.#host.onCaughtUp(nowUs)
    this.#lastStatusUs = Number.NEGATIVE_INFINITY
  }

  /** @param below a checkpoint has to be of an event before */
  #createHost(survivors?: Survivors, below?: number): ComponentHost {
    const past = { session: this.#session, carry: this.#carry, ...(survivors === undefined ? {} : { survivors }) }
    return this.#begin.host(past, below)
  }

  /** The checkpoint is not of this stream: an older one may be. Not at once, because the receiver is at work. */
  #beginBefore(reason: string): void {
    this.#isReopening = true
    this.#cycle.platform.timers.defer(() => {
      if (!this.#isReopening || this.#isClosed) return
      this.#isReopening = false
      this.#host = this.#begin.hostBefore(reason)
      this.#events?.reopen(this.#begin.sequence, true, reason)
    })
  }

  #hostOptions(): Omit<HostOptions, 'session'> {
    const { instance, guard, datagramBytes, logger, observer } = this.#options
    const { platform } = this.#cycle
    return {
      ...{ instance, incarnation: this.#incarnation, guard, datagramBytes, tagBytes: this.#commandAuth.tagBytes },
      // The host that takes over after a revocation is of the same process, and must not ask under the first one's nonces.
      nonce: () => platform.random(),
      mode: 'replica',
      logger,
      clock: platform.clock,
      ...(observer === undefined ? {} : { observer }),
    }
  }

  #hostOutput(): HostOutput {
    return {
      sendCommands: (packet) => this.#sendCommands(packet),
      stateChanged: (state, reason) => this.#onHostState(state, reason),
      failed: (error) => this.#fail(error),
      commandReturned: (latencyUs) => this.#options.onCommandReturned?.(latencyUs),
      wantsFlush: () => this.#cycle.enter(),
      rolled: (_successor, sequence) => {
        this.#rolledAt = sequence
        this.#expectSuccessor()
      },
    }
  }

  #sendCommands(packet: Uint8Array): void {
    this.#commands?.send(this.#commandAuth.seal(packet))
    this.#cycle.expectAnswer()
  }

  #onHostState(state: string, reason: string): void {
    this.#options.onStateChanged?.(state, reason)
    this.#lastStatusUs = Number.NEGATIVE_INFINITY
    this.#cycle.enter()
  }

  #fail(error: SeqcastError): void {
    this.#host.stop(error.message)
    this.#sendStatus(this.#cycle.enter())
    this.close()
    this.#outcome.failed(error)
  }

  #onControl(message: ControlMessage, nowUs: number): void {
    if (message.kind === 'store' || message.kind === 'sequencer') this.#skip.spokenFor()
    if (message.kind === 'refused') {
      this.#host.onRefused(message.body.nonce, message.body.reason)
    } else if (message.kind === 'component' && message.body.component === this.#component.name) {
      this.#succession.onStatus(message.sender, message.body.state, nowUs)
      if (message.body.instance === this.#options.instance) this.#onTwin(message.body.state, nowUs)
      if (message.body.state === 'standby') this.#checkpoints?.companyHeard(nowUs)
    } else if (message.kind === 'store' && message.body.successor) this.#onSuccessorTold(message.body.successor)
  }

  /** Of two processes that call themselves the same replica, the one that has just come goes. */
  #onTwin(state: string, nowUs: number): void {
    if (state === 'stopped' || state === 'failed' || nowUs - this.#startedUs > SILENCE_US) return
    const { instance, session } = this.#options
    this.#fail(
      new SeqcastError(
        'E_SECOND_INSTANCE',
        `another process runs as instance '${instance}' of component '${this.#component.name}' on session ${session}`,
        { hint: 'give each replica its own --instance', fields: { session, instance } },
      ),
    )
  }

  #offerItself(nowUs: number): void {
    // Who was active goes over with the session: before its first event nobody knows that.
    if (this.#host.nextSequence === 1) return
    const { standing } = this.#host
    const reason = this.#succession.look(standing, nowUs)
    if (reason === undefined) return
    const { instance, logger } = this.#options
    logger.info({ component: this.#component.name, instance, term: standing.term, reason }, 'component: offers itself')
    this.#control?.send('adminRequest', {
      nonce: this.#cycle.platform.random(),
      action: 'offer',
      component: this.#component.name,
      instance,
      incarnation: this.#incarnation,
      expectedTerm: standing.term,
      reason,
    })
  }

  #sendStatus(nowUs: number): void {
    this.#lastStatusUs = nowUs
    const status = this.#host.status()
    this.#control?.send('component', {
      ...status,
      counters: nonZero({
        ...status.counters,
        ...this.#events?.receiver.counters,
        ...this.#events?.counters,
        ...this.#control?.dropped,
        ...this.#checkpoints?.counters,
        restarts: this.#restarts,
      }),
    })
  }
}
