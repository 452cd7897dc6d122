/**
 * Watches the session of the failover bench from outside, as any listener could: what was published, what was said to be stable,
 * who reigns, and when a takeover went through which step. Its notes of what was stable are held against the stores' logs
 * afterwards.
 */
import { crc32 } from 'node:zlib'
import type { Histogram } from 'hdr-histogram-js'
import { SeqcastError } from '../../../core/errors.js'
import { isSequencing } from '../../../protocol/sequencer-states.js'
import { EventLink } from '../../../runtime/event-link.js'
import type { RoleOptions } from '../../../runtime/options.js'
import { readU16 } from '../../../wire/bytes.js'
import type { ControlMessage, SequencerHeartbeat } from '../../../wire/control.js'
import { eventEpoch, eventType, FIRST_APPLICATION_TYPE } from '../../../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../../../wire/moldudp64.js'
import { Observer } from '../../observer.js'
import { createHistogram, recordUs } from '../histogram.js'
import { machineUs } from './machine-time.js'
import { StableNotes } from './stable-notes.js'

const POLL_MS = 5

/** When what was seen of one takeover; NaN: not yet. All in microseconds of the machine. */
export interface Takeover {
  /** When the active sequencer was killed, or told to go. */
  readonly atUs: number
  /** The epoch before it. */
  readonly epoch: number
  /** The last event of that epoch that a client or component had sequenced. */
  lastBeforeUs: number
  /** Somebody claims a newer epoch. */
  claimedUs: number
  /** The first command of a client or component that the new sequencer has published. */
  publishedUs: number
  /** That one is stable. */
  stableUs: number
}

export class FailoverWatch {
  readonly observer: Observer
  readonly notes = new StableNotes()
  /** Events that were delivered and taken back. */
  revoked = 0
  /** Reigns that began although nobody was killed or told to go. */
  unasked = 0
  /** How far apart the signs of life of the active sequencer were. */
  silence: Histogram = createHistogram()
  #events: EventLink | undefined
  #epoch = 0
  #activePort = 0
  #signUs = Number.NaN
  #lastCommandUs = Number.NaN
  #takeover: Takeover | undefined
  #firstSequence = 0
  #failure: SeqcastError | undefined

  private constructor(observer: Observer) {
    this.observer = observer
    observer.control.listen((message) => this.#onControl(message))
  }

  static async open(options: RoleOptions): Promise<FailoverWatch> {
    return new FailoverWatch(await Observer.open(options))
  }

  /** Reads the event stream from its beginning; to be called when the stores are there. */
  async follow(options: RoleOptions): Promise<void> {
    this.#events = await EventLink.open(
      { ...options, nextSequence: 1, startRewinding: true, askSequencer: false, seed: 1 },
      this.observer.cycle,
      this.observer.control,
      {
        deliver: (sequence, count, bytes, start) => this.#deliver(sequence, count, bytes, start),
        stateChanged: () => {},
        lost: (from, to, reason) => this.fail(`events ${from} to ${to} were lost: ${reason}`),
        revoked: (next, reason) => this.#onRevoked(next, reason),
        sequencerHeard: (heartbeat) => this.#onCredible(heartbeat),
      },
      (error) => this.fail(error.message),
    )
  }

  /** The newest epoch whose sequencer was heard. */
  get epoch(): number {
    return this.#epoch
  }

  /** The last event that was delivered here. */
  get sequence(): number {
    return this.notes.sequence
  }

  /** The request port of the sequencer that reigns, which tells its process. */
  get activePort(): number {
    return this.#activePort
  }

  /** The reign ends now: what follows is noted. */
  expect(atUs: number): Takeover {
    const nothing = { claimedUs: Number.NaN, publishedUs: Number.NaN, stableUs: Number.NaN }
    this.#takeover = { atUs, epoch: this.#epoch, lastBeforeUs: this.#lastCommandUs, ...nothing }
    return this.#takeover
  }

  restartSilence(): void {
    this.silence = createHistogram()
    this.#signUs = Number.NaN
  }

  /** Whether a sequencer with this request port waits, and has read all but the last `behind` events. */
  hasStandby(port: number, behind: number): boolean {
    return [...this.observer.heard.sequencers.values()].some(
      ({ state, requestPort, nextSequence }) =>
        state === 'standby' && requestPort === port && nextSequence > this.sequence - behind,
    )
  }

  /** Makes every wait fail. */
  fail(what: string): void {
    this.#failure ??= new SeqcastError('E_BENCH', `the session of the bench can't go on: ${what}`)
  }

  /** Resolves when it holds. @param onPoll may throw @throws SeqcastError E_BENCH where that takes too long, or something has failed */
  async until(what: string, timeoutMs: number, holds: () => boolean, onPoll: () => void = () => {}): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs
    while (!holds()) {
      if (this.#failure !== undefined) throw this.#failure
      onPoll()
      if (performance.now() > deadlineMs) {
        throw new SeqcastError('E_BENCH', `waited ${timeoutMs / 1_000} s for ${what}`, {
          hint: 'is the machine busy with something else?',
        })
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  close(): void {
    this.#events?.close()
    this.observer.close()
  }

  #deliver(sequence: number, count: number, bytes: Uint8Array, start: number): void {
    const nowUs = machineUs()
    this.#sign(nowUs)
    let at = start
    for (let i = 0; i < count; i++) {
      const lengthBytes = readU16(bytes, at)
      at += BLOCK_LENGTH_BYTES
      this.notes.delivered(sequence + i, crc32(bytes.subarray(at, at + lengthBytes), this.notes.chain))
      if (eventType(bytes, at) >= FIRST_APPLICATION_TYPE) this.#onCommand(sequence + i, eventEpoch(bytes, at), nowUs)
      at += lengthBytes
    }
    this.notes.take(nowUs)
  }

  #onCommand(sequence: number, epoch: number, nowUs: number): void {
    const takeover = this.#takeover
    if (takeover !== undefined && Number.isNaN(takeover.publishedUs)) {
      if (epoch > takeover.epoch) {
        takeover.publishedUs = nowUs
        this.#firstSequence = sequence
      } else takeover.lastBeforeUs = nowUs
    }
    this.#lastCommandUs = nowUs
  }

  #onRevoked(next: number, reason: string): void {
    this.revoked += Math.max(0, this.sequence - next + 1)
    this.notes.revoked(next)
    if (this.notes.stable >= next) this.fail(`event ${this.notes.stable} was stable, and is revoked: ${reason}`)
    this.#events?.reopen(next, false, reason)
  }

  #onControl(message: ControlMessage): void {
    const takeover = this.#takeover
    if (message.kind === 'claim' && takeover !== undefined) {
      if (message.body.epoch > takeover.epoch && Number.isNaN(takeover.claimedUs)) takeover.claimedUs = machineUs()
    }
    if (message.kind !== 'sequencer' || !isSequencing(message.body.state)) return
    const { epoch, requestPort } = message.body
    if (epoch < this.#epoch) return
    this.#sign(machineUs())
    if (epoch > this.#epoch && this.#epoch > 0 && takeover?.epoch !== this.#epoch) this.unasked += epoch - this.#epoch
    this.#epoch = epoch
    this.#activePort = requestPort
  }

  /** What the sequencer that this stream follows says to be stable. */
  #onCredible({ epoch, stableSequence }: SequencerHeartbeat): void {
    const nowUs = machineUs()
    this.notes.reported(stableSequence)
    this.notes.take(nowUs)
    const takeover = this.#takeover
    if (takeover === undefined || epoch <= takeover.epoch || !Number.isNaN(takeover.stableUs)) return
    if (!Number.isNaN(takeover.publishedUs) && stableSequence >= this.#firstSequence) takeover.stableUs = nowUs
  }

  #sign(nowUs: number): void {
    if (!Number.isNaN(this.#signUs)) recordUs(this.silence, nowUs - this.#signUs)
    this.#signUs = nowUs
  }
}
