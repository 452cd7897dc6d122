/**
 * The role of a replica: rewinding, standby or active, and what follows from each change. Only an `Activated` event that
 * names this component, instance and incarnation makes it active; any other one, or `Passivated`, makes it passive. Of a hot-hot
 * component each replica is active once any is named, and none after `Passivated`.
 *
 * Becoming active connects the outbox of the handlers' commands and asks for a new outside source, or goes on with the one that was
 * kept over a revocation; once that is granted, and what was kept is sequenced, effects and input begin. Becoming passive takes all of it back at once.
 */
import type { SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import { Prng } from '../core/prng.js'
import type { Activated, Passivated, SourceRegistered } from '../wire/runtime-events.js'
import type { Fields } from './checkpoint-fields.js'
import type { Commands } from './commands.js'
import { hashOf } from './context.js'
import type { Component } from './definition.js'
import type { Effects } from './effects.js'
import { refusedError } from './host-errors.js'
import type { HostOptions, HostOutput } from './host-options.js'
import { type ComponentState, Lifecycle } from './lifecycle.js'
import type { Outside } from './outside.js'
import { Registration } from './registration.js'
import type { Seeding } from './seeding.js'

export interface RoleParts {
  readonly component: Component
  readonly options: HostOptions
  readonly output: HostOutput
  readonly commands: Commands
  readonly outside: Outside
  readonly effects: Effects
  readonly seeding: Seeding
  readonly logger: Logger
  /** The component's state, for its input. */
  readonly state: unknown
}

/** A process, as the stream names it. */
export interface Named {
  readonly instance: string
  readonly incarnation: number
}

export class Role {
  readonly #parts: RoleParts
  readonly #lifecycle: Lifecycle
  readonly #sharedRegistration: Registration
  /** Numbers for registrations that nobody else uses. */
  readonly nextNonce: () => number
  #term = 0
  /** The newest `Activated` of the component makes this process active. */
  #isNamed = false
  #active: Named | undefined
  #isPassivated = false
  #reason = ''
  /** Of the newest `Activated`. */
  #why = ''
  /** Effects and input have begun. */
  #isOutward = false
  #ended: string | undefined
  /** The session that goes on from the end of this one; '' for none, or while this one lasts. */
  #successor = ''
  outsideClosed = 0

  constructor(parts: RoleParts) {
    const { component, options, output, logger } = parts
    this.#parts = parts
    this.#lifecycle = new Lifecycle(logger, (state, reason) => output.stateChanged(state, reason))
    this.#sharedRegistration = new Registration(options.session, (packet) => output.sendCommands(packet))
    const { survivors, nonce, incarnation, instance } = options
    this.nextNonce = survivors?.nonce ?? nonce ?? noncesOf(incarnation + hashOf(`${component.name}/${instance}`))
  }

  get state(): ComponentState {
    return this.#lifecycle.state
  }

  get reason(): string {
    return this.#lifecycle.reason
  }

  /** Stopped or failed. */
  get isOver(): boolean {
    return this.#lifecycle.isOver
  }

  /** The newest decision about the component is that no replica is active: it holds until somebody decides otherwise. */
  get isPassivated(): boolean {
    return this.#isPassivated
  }

  get term(): number {
    return this.#term
  }

  /** Whom the newest `Activated` of the component names; undefined before the first one and after a `Passivated`. */
  get active(): Named | undefined {
    return this.#active
  }

  /** The session takes no more commands. */
  get hasEnded(): boolean {
    return this.#ended !== undefined
  }

  /** '' while the session lasts, and where none goes on from its end. */
  get successor(): string {
    return this.#successor
  }

  onCaughtUp(nowUs: number): void {
    if (this.#lifecycle.state !== 'rewinding' || this.#parts.options.mode === 'replay') return
    if (this.#successor !== '') return
    if (this.#isNamed) this.#activate(nowUs)
    else {
      this.#yield()
      this.#lifecycle.transition('standby', 'caught up')
    }
    this.#seedWhereAlone(nowUs)
  }

  /** Events were missed, or revoked. */
  onFellBehind(reason: string): void {
    if (this.#lifecycle.isOver || this.#lifecycle.state === 'rewinding' || this.#successor !== '') return
    this.#silence()
    this.#lifecycle.transition('rewinding', reason)
  }

  /** An `Activated` of this component. */
  onActivated(event: Activated, nowUs: number): void {
    this.#take(event)
    if (!this.#isNamed) this.#deactivate(`${event.instance} is active, ${this.#reason}`)
    else if (this.#lifecycle.state === 'standby') this.#activate(nowUs)
  }

  /** What the stream has decided, so far. */
  capture(): object {
    const active = this.#active === undefined ? null : { ...this.#active, why: this.#why }
    return { term: this.#term, isPassivated: this.#isPassivated, active }
  }

  restore(from: Fields): void {
    const term = from.whole('term')
    const active = from.optionalFields('active')
    if (active !== undefined) {
      const [instance, incarnation, reason] = [active.text('instance'), active.whole('incarnation'), active.text('why')]
      this.#take({ instance, incarnation, term, reason })
    }
    this.#term = term
    this.#isPassivated = from.flag('isPassivated')
  }

  /** A `Passivated` of this component. */
  onPassivated(event: Passivated, nowUs: number): void {
    this.#term = event.term
    this.#active = undefined
    this.#isNamed = false
    this.#isPassivated = true
    this.#deactivate(`nobody is active, term ${event.term}: ${event.reason}`)
    this.#seedWhereAlone(nowUs)
  }

  /** The shared source of the handlers' commands is known, whoever asked for it. */
  onSharedRegistered(event: SourceRegistered, nowUs: number): void {
    this.#sharedRegistration.end()
    this.#parts.commands.bind(event.source, nowUs)
  }

  /** Somebody registered the outside source of this component. */
  onOutsideRegistered(event: SourceRegistered, datagramBytes: number, fragmentBytes: number, nowUs: number): void {
    if (this.#lifecycle.state !== 'active') return
    const { outside, effects } = this.#parts
    if (event.nonce === outside.nonce) {
      outside.open(event.source, datagramBytes, fragmentBytes, nowUs)
      this.#turnOutwards()
    } else if (outside.state === 'open') {
      // By a late packet of an earlier activation.
      this.outsideClosed++
      effects.disable()
      this.#isOutward = false
      outside.reregister(this.nextNonce(), nowUs)
    }
  }

  onRefused(nonce: number, reason: string): void {
    const { outside, seeding } = this.#parts
    if (nonce === 0 || ![this.#sharedRegistration.nonce, outside.nonce, seeding.nonce].includes(nonce)) return
    this.fail(refusedError(this.#parts.component.name, reason))
  }

  /** The session is open, and the component's seed is in it: what waited for that goes out. */
  onSeeded(nowUs: number): void {
    const { commands, outside } = this.#parts
    if (this.#lifecycle.state !== 'active') return
    commands.connect(nowUs)
    outside.onSeeded(nowUs)
    this.#turnOutwards()
  }

  /**
   * Nothing can be sequenced any more. What an active replica owes to the outside world is still done, see `settle`; where another
   * session goes on, it is done there.
   */
  onSessionEnded(reason: string, successor: string): void {
    this.#ended = `session ended: ${reason}`
    const { commands, outside, effects, seeding, options } = this.#parts
    if (successor !== '' && options.mode === 'replica') {
      this.#successor = successor
      this.#sharedRegistration.end()
      effects.disable()
      seeding.hush()
      outside.finish()
      commands.disconnect()
      return
    }
    if (this.#lifecycle.state !== 'active') {
      this.stop(this.#ended)
      return
    }
    commands.disconnect()
    outside.close()
  }

  /** Runs the effects that can be run; after the session's end, stops when none is left. */
  settle(): void {
    if (this.#successor !== '') return
    this.#turnOutwards()
    this.#parts.effects.pump()
    if (this.#ended !== undefined && this.#parts.effects.isIdle) this.stop(this.#ended)
  }

  flush(nowUs: number): void {
    this.#parts.commands.flush(nowUs)
    this.#parts.outside.flush(nowUs)
    this.#parts.seeding.flush(nowUs)
  }

  /** @returns the next deadline */
  tick(nowUs: number): number {
    const { state } = this.#lifecycle
    if (this.#successor !== '' || (state !== 'active' && state !== 'standby')) return Number.POSITIVE_INFINITY
    const seedUs = this.#parts.seeding.tick(nowUs)
    if (state === 'standby') return seedUs
    const deadlineUs = Math.min(seedUs, this.#parts.commands.tick(nowUs), this.#parts.outside.tick(nowUs))
    return Math.min(deadlineUs, this.#sharedRegistration.tick(nowUs))
  }

  stop(reason: string): void {
    if (this.#lifecycle.isOver) return
    this.#silence()
    this.#lifecycle.transition('stopped', reason)
  }

  fail(error: SeqcastError): void {
    if (this.#lifecycle.isOver) return
    this.#silence()
    this.#parts.logger.error({ code: error.code, ...error.fields }, error.message)
    this.#lifecycle.transition('failed', error.message)
    this.#parts.output.failed(error)
  }

  #take({ instance, incarnation, term, reason }: Omit<Activated, 'component'>): void {
    const { component, options } = this.#parts
    this.#term = term
    this.#active = { instance, incarnation }
    const isThis = instance === options.instance && incarnation === options.incarnation
    this.#isNamed = isThis || component.hotHot
    this.#isPassivated = false
    this.#why = reason
    this.#reason = `term ${term}: ${reason}`
    if (component.hotHot && !isThis) this.#reason = `as ${instance} is, ${this.#reason}`
  }

  #activate(nowUs: number): void {
    const { component, options, commands, outside, seeding } = this.#parts
    if (options.mode === 'replay') return
    const { name, schema } = component
    this.#lifecycle.transition('active', this.#reason)
    if (commands.source === 0) {
      const wanted = { name, nonce: this.nextNonce(), exclusive: false, component: name, schemaHash: schema.hash }
      this.#sharedRegistration.request(wanted, nowUs)
    }
    seeding.speak(nowUs)
    if (seeding.isReady) commands.connect(nowUs)
    // A source of its own would close the one of the replica beside it.
    if (component.hotHot) return
    outside.begin(this.nextNonce(), nowUs)
    this.#turnOutwards()
  }

  /** Effects and input begin where all is known that the process ever got sequenced. */
  #turnOutwards(): void {
    const { outside, effects, seeding, state } = this.#parts
    if (this.#isOutward || !seeding.isReady || !outside.isDrained) return
    this.#isOutward = true
    effects.enable()
    outside.startInput(state)
  }

  /** What was kept over a revocation is not for this process to send, where another one is active: its input brings it in. */
  #yield(): void {
    if (this.#active !== undefined) this.#parts.outside.dropKept()
  }

  /** Where nobody is active, everybody sends the seed: the session waits for it. */
  #seedWhereAlone(nowUs: number): void {
    if (this.#active === undefined && this.#lifecycle.state === 'standby') this.#parts.seeding.speak(nowUs)
  }

  #deactivate(reason: string): void {
    if (this.#lifecycle.state !== 'rewinding') this.#yield()
    if (this.#lifecycle.state === 'active') {
      this.#silence()
      this.#lifecycle.transition('standby', reason)
    } else if (this.#lifecycle.state === 'standby') this.#lifecycle.restate(reason)
  }

  #silence(): void {
    this.#isOutward = false
    this.#parts.effects.disable()
    this.#sharedRegistration.end()
    this.#parts.seeding.hush()
    this.#parts.outside.close()
    this.#parts.commands.disconnect()
  }
}

/** Numbers of 53 bits, never 0, that are the same for the same seed. */
function noncesOf(seed: number): () => number {
  const prng = new Prng(seed)
  return () => (prng.nextU32() & 0x1f_ffff) * 0x1_0000_0000 + prng.nextU32() || 1
}
