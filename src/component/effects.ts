/**
 * What a component owes the outside world. Every replica keeps the same list, from events alone: an event with an effect
 * adds to it, `EffectDone` takes away. Only the active replica runs what is on it, one at a time and in order, and what
 * it finds there at its activation comes first, under the same keys: at least once.
 *
 * An effect that may run after `published` may have run for an event that a failover then revokes. Nobody can take it back, so
 * it is told by its key, which no other event has: an event's number and the epoch of its birth are unique over all branches.
 *
 * It is enabled only while the outside source is open. By then every `EffectDone` of the replica before has been
 * delivered, so nothing is repeated that is known to be done.
 */
import { messageOf, SeqcastError } from '../core/errors.js'
import { COMPONENT_EFFECTS } from '../core/limits.js'
import type { EffectOwed } from '../wire/runtime-events.js'
import type { Carry } from './carry.js'
import type { Fields } from './checkpoint-fields.js'
import type { Effect, UntypedEffect } from './definition.js'

export interface PendingEffect {
  readonly sequence: number
  readonly index: number
  /** Of the event's birth: with it the sequence is unique over all branches. */
  readonly epoch: number
  readonly timeUs: number
  readonly type: number
  readonly name: string
  readonly payload: Uint8Array
  /** Of one that an earlier session owed: the key that it has there, and the event that it is for. */
  readonly from?: EffectOrigin
}

/** Where an effect comes from that was carried over: all that its key was made of. */
export interface EffectOrigin {
  readonly key: string
  readonly session: string
  readonly sequence: number
  readonly index: number
}

/** `waiting` -> `running` -> `done` (to be reported) -> `reported` (its `EffectDone` is under way). */
interface Owed extends PendingEffect {
  progress: 'waiting' | 'running' | 'done' | 'reported'
}

/** An effect that was begun for an event that is no more. */
export interface RevokedEffect {
  /** The idempotency key under which it ran. */
  readonly key: string
  readonly sequence: number
  readonly index: number
  readonly epoch: number
  readonly name: string
}

export interface EffectsOptions {
  readonly component: string
  readonly session: string
  /** By event type. */
  readonly effects: readonly (UntypedEffect | undefined)[]
  readonly decode: (effect: PendingEffect) => unknown
  /** Whether an `EffectDone` can be issued now. */
  readonly canReport: () => boolean
  readonly report: (effect: PendingEffect) => void
  readonly failed: (error: SeqcastError) => void
  /** One ended after its turn; what it reports has to be flushed. */
  readonly ended: () => void
  readonly capacity?: number
  /** By `identityOf`: what this process has done already, as far as no `EffectDone` of it was delivered. */
  readonly done?: ReadonlySet<string>
  /** What an earlier host of this process has begun for events that were not stable, and that no table had taken back. */
  readonly begun?: readonly RevokedEffect[]
  /** Keys of what this process has done in an earlier session, and that was carried over. */
  readonly doneBefore?: ReadonlySet<string>
  /** What this process had begun in an earlier session and that has not ended yet. */
  readonly underWay?: Carry['effectUnderWay'] | undefined
  /** One of these turns out to be of an event that is no more. */
  readonly revoked: (effect: RevokedEffect) => void
}

/** Its keys are as short as those of a session without failover. */
const FIRST_EPOCH = 1
/** An effect has one handler for each event type, so its index is always the first. */
const ONLY_INDEX = 0
/** Entries of the queue that have been run before it is cut. */
const COMPACT_FROM = 1_024

export class Effects {
  readonly #options: EffectsOptions
  readonly #capacity: number
  /** By sequence, in order: a Map keeps the order of insertion. */
  readonly #owed = new Map<number, Owed>()
  /** While enabled: the waiting ones and the ones to report, each from its head. */
  #queue: Owed[] = []
  #head = 0
  #toReport: Owed[] = []
  /** Begun here for events that were not stable then, from the oldest on. */
  #atRisk: Owed[] = []
  /** Begun by an earlier host, and not met in this branch yet. */
  #unmet: readonly RevokedEffect[]
  #running: Owed | undefined
  /** How the one that runs ends: true where it is done. */
  #runEnds: Promise<boolean> | undefined
  /** Begun in an earlier session, and not met in this one. */
  #underWay: Carry['effectUnderWay']
  #enabled = false
  #stableSequence = 0

  constructor(options: EffectsOptions) {
    this.#options = options
    this.#capacity = options.capacity ?? COMPONENT_EFFECTS
    this.#unmet = options.begun ?? []
    this.#underWay = options.underWay
  }

  get size(): number {
    return this.#owed.size
  }

  /** Nothing that was begun is under way, and nothing waits to be begun. */
  get isIdle(): boolean {
    return this.#running === undefined && this.#head === this.#queue.length
  }

  /** All that is owed, in order. */
  pending(): PendingEffect[] {
    return [...this.#owed.values()]
  }

  /** Of an event that was born in a later epoch the epoch follows: another branch may have had an event of that number. */
  keyOf({ sequence, index, epoch, from }: PendingEffect): string {
    if (from !== undefined) return from.key
    const key = `${this.#options.session}/${sequence}/${index}`
    return epoch > FIRST_EPOCH ? `${key}/${epoch}` : key
  }

  /** @returns false where the bound is reached */
  add(sequence: number, epoch: number, timeUs: number, type: number, name: string, payload: Uint8Array): boolean {
    if (this.#owed.size >= this.#capacity) return false
    const owed: Owed = { sequence, index: ONLY_INDEX, epoch, timeUs, type, name, payload, progress: 'waiting' }
    this.#owed.set(sequence, owed)
    if (this.#unmet.length > 0) this.#meet(owed)
    if (this.#options.done?.has(identityOf(owed)) === true) owed.progress = 'done'
    else if (this.#enabled) this.#queue.push(owed)
    return true
  }

  /** Event `sequence` says that an earlier session owed this. @returns false where the bound is reached */
  addCarried(sequence: number, epoch: number, name: string, carried: EffectOwed): boolean {
    if (this.#owed.size >= this.#capacity) return false
    const { key, session, sequence: origin, index, timeUs, type, payload } = carried
    const from = { key, session, sequence: origin, index }
    const owed: Owed = { sequence, index: ONLY_INDEX, epoch, timeUs, type, name, payload, from, progress: 'waiting' }
    this.#owed.set(sequence, owed)
    if (this.#underWay?.key === key) this.#goOnWith(owed, this.#underWay.ended)
    else if (this.#options.doneBefore?.has(key) === true || this.#options.done?.has(identityOf(owed)) === true) {
      owed.progress = 'done'
      if (this.#enabled) this.#toReport.push(owed)
    } else if (this.#enabled) this.#queue.push(owed)
    return true
  }

  /** What the next session has to know of, in order. */
  owed(): EffectOwed[] {
    const { component, session } = this.#options
    return this.pending().map((effect) => {
      const { sequence, index, timeUs, type, payload, from } = effect
      const origin = from ?? { key: this.keyOf(effect), session, sequence, index }
      return { component, ...origin, timeUs, type, payload }
    })
  }

  /** Keys of what was done here, and is not known to be done by the stream. */
  doneKeys(): Set<string> {
    const done = [...this.#owed.values()].filter(({ progress }) => progress === 'done' || progress === 'reported')
    return new Set(done.map((owed) => this.keyOf(owed)))
  }

  /** What is under way here, for the next session to wait for instead of repeating it. */
  get underWay(): Carry['effectUnderWay'] {
    if (this.#running === undefined || this.#runEnds === undefined) return this.#underWay
    return { key: this.keyOf(this.#running), ended: this.#runEnds }
  }

  /** An `EffectDone` of this component was delivered; its epoch may be 0. @returns whether it was owed */
  onDone(sequence: number, index: number, epoch: number): boolean {
    if (index !== ONLY_INDEX) return false
    // One that was done for a revoked event of that number says nothing about this one.
    if (epoch !== 0 && this.#owed.get(sequence)?.epoch !== epoch) return false
    return this.#owed.delete(sequence)
  }

  /**
   * Events from `fromSequence` on are revoked. @returns what was begun for one of them, and what was begun before, for events that a
   * later reign may still take back
   */
  revoked(fromSequence: number): { readonly revoked: RevokedEffect[]; readonly begun: RevokedEffect[] } {
    const atRisk = this.#atRisk.map(({ sequence, index, epoch, name, ...owed }) => {
      return { key: this.keyOf({ ...owed, sequence, index, epoch, name }), sequence, index, epoch, name }
    })
    const all = [...this.#unmet, ...atRisk]
    return {
      revoked: all.filter(({ sequence }) => sequence >= fromSequence),
      begun: all.filter(({ sequence }) => sequence < fromSequence),
    }
  }

  /** What was done here, and is not known to be done by the stream. */
  done(): Set<string> {
    const done = [...this.#owed.values()].filter(({ progress }) => progress === 'done' || progress === 'reported')
    return new Set(done.map(identityOf))
  }

  /** What is owed, without how far this process is with it: that is for who is active to know. */
  capture(): object {
    return {
      owed: this.pending().map(({ sequence, index, epoch, timeUs, type, name, payload, from }) => {
        return { sequence, index, epoch, timeUs, type, name, payload, from: from === undefined ? null : { ...from } }
      }),
    }
  }

  restore(from: Fields): void {
    for (const owed of from.list('owed')) {
      const [sequence, epoch, timeUs] = [owed.whole('sequence'), owed.whole('epoch'), owed.number('timeUs')]
      const [type, name, payload] = [owed.whole('type'), owed.text('name'), owed.bytes('payload')]
      const origin = owed.optionalFields('from')
      if (origin === undefined) this.add(sequence, epoch, timeUs, type, name, payload)
      else this.addCarried(sequence, epoch, name, { ...originOf(origin), component: '', timeUs, type, payload })
    }
  }

  /** The outside source is open: runs what is owed, first of all what was left by whoever was active before. */
  enable(): void {
    this.#enabled = true
    this.#queue = []
    this.#head = 0
    this.#toReport = []
    for (const owed of this.#owed.values()) {
      if (owed.progress === 'waiting') this.#queue.push(owed)
      // Done here already, but its report went out under a source that is closed now: report it again, do not repeat it.
      else if (owed.progress !== 'running') this.#toReport.push(owed)
    }
    this.pump()
  }

  /** Passive: nothing more starts. One that is under way can't be called back; how it ends is remembered. */
  disable(): void {
    this.#enabled = false
    this.#queue = []
    this.#head = 0
    this.#toReport = []
  }

  onStable(stableSequence: number): void {
    this.#stableSequence = stableSequence
    if (this.#unmet.length > 0) this.#tellUnmet(stableSequence)
    if (this.#atRisk.length === 0) return
    const first = this.#atRisk.findIndex(({ sequence }) => sequence > stableSequence)
    if (first !== 0) this.#atRisk.splice(0, first < 0 ? this.#atRisk.length : first)
  }

  /** Reports and runs what can be. Cheap where there is nothing to do. */
  pump(): void {
    if (!this.#enabled) return
    this.#reportDone()
    while (this.#enabled && this.#running === undefined && this.#head < this.#queue.length) {
      const next = this.#queue[this.#head]!
      if (this.#owed.get(next.sequence) === next) {
        if (!this.#isReady(next) || !this.#options.canReport()) break
        this.#run(next)
      }
      this.#head++
    }
    if (this.#head > 0 && (this.#head === this.#queue.length || this.#head > COMPACT_FROM)) {
      this.#queue.splice(0, this.#head)
      this.#head = 0
    }
  }

  /** The event of an effect that an earlier host has begun is in this branch, too. */
  #meet(owed: Owed): void {
    const identity = identityOf(owed)
    const unmet = this.#unmet.filter((begun) => identityOf(begun) !== identity)
    if (unmet.length < this.#unmet.length && owed.sequence > this.#stableSequence) this.#atRisk.push(owed)
    this.#unmet = unmet
  }

  /** All events up to here are handled, and stable: what was not met by now is of a lost branch. */
  #tellUnmet(stableSequence: number): void {
    const unmet = this.#unmet
    this.#unmet = unmet.filter(({ sequence }) => sequence > stableSequence)
    for (const begun of unmet) if (begun.sequence <= stableSequence) this.#options.revoked(begun)
  }

  #isReady(owed: Owed): boolean {
    return this.#options.effects[owed.type]?.after === 'published' || owed.sequence <= this.#stableSequence
  }

  #run(owed: Owed): void {
    owed.progress = 'running'
    this.#running = owed
    // One that was carried over is of an event that is stable, whatever becomes of the event that says so.
    const isAtRisk = owed.from === undefined && owed.sequence > this.#stableSequence
    if (isAtRisk && !this.#atRisk.includes(owed)) this.#atRisk.push(owed)
    let ending: unknown
    try {
      ending = this.#options.effects[owed.type]?.run(this.#effectOf(owed))
    } catch (thrown) {
      this.#onFailed(owed, thrown)
      return
    }
    if (!isThenable(ending)) {
      this.#onEnded(owed)
      return
    }
    this.#runEnds = Promise.resolve(ending).then(
      () => {
        this.#onEnded(owed)
        this.pump()
        this.#options.ended()
        return true
      },
      (thrown: unknown) => {
        this.#onFailed(owed, thrown)
        return false
      },
    )
  }

  /** It was begun in an earlier session by this process, and has not ended: it is not begun again. */
  #goOnWith(owed: Owed, ended: Promise<boolean>): void {
    this.#underWay = undefined
    owed.progress = 'running'
    this.#running = owed
    this.#runEnds = ended
    void ended.then((isDone) => {
      if (isDone) this.#onEnded(owed)
      else {
        this.#running = undefined
        owed.progress = 'waiting'
        if (this.#enabled) this.#queue.push(owed)
      }
      this.pump()
      this.#options.ended()
    })
  }

  #effectOf(owed: Owed): Effect {
    const { timeUs, name } = owed
    const payload = this.#options.decode(owed)
    const { session, sequence } = owed.from ?? { session: this.#options.session, sequence: owed.sequence }
    return { key: this.keyOf(owed), session, sequence, timeUs, name, payload }
  }

  #onEnded(owed: Owed): void {
    this.#running = undefined
    owed.progress = 'done'
    if (!this.#enabled || this.#owed.get(owed.sequence) !== owed) return
    this.#toReport.push(owed)
    this.#reportDone()
  }

  #onFailed(owed: Owed, thrown: unknown): void {
    this.#running = undefined
    owed.progress = 'waiting'
    if (!this.#enabled) return // Passive by now: whoever is active runs it.
    const isPayload = thrown instanceof SeqcastError && thrown.code === 'E_PAYLOAD'
    this.#options.failed(isPayload ? thrown : this.#errorOf(owed, thrown))
  }

  #errorOf(owed: Owed, thrown: unknown): SeqcastError {
    const { component } = this.#options
    const message = `the effect of ${component} for event ${owed.sequence} (${owed.name}) failed: ${messageOf(thrown)}`
    return new SeqcastError('E_EFFECT', message, {
      hint: 'it is still owed: the next activation runs it again under the same key',
      fields: { component, key: this.keyOf(owed), sequence: owed.sequence, name: owed.name },
      cause: thrown,
    })
  }

  #reportDone(): void {
    while (this.#toReport.length > 0 && this.#options.canReport()) {
      const owed = this.#toReport.shift()!
      if (this.#owed.get(owed.sequence) !== owed) continue
      owed.progress = 'reported'
      this.#options.report(owed)
    }
  }
}

function originOf(from: Fields): EffectOrigin {
  const [key, session] = [from.text('key'), from.text('session')]
  return { key, session, sequence: from.whole('sequence'), index: from.whole('index') }
}

/** One event of one branch; one that was carried over has its key. */
function identityOf({
  epoch,
  sequence,
  index,
  from,
}: Omit<PendingEffect, 'timeUs' | 'type' | 'name' | 'payload'>): string {
  return from !== undefined ? from.key : `${epoch}/${sequence}/${index}`
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
