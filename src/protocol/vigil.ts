/**
 * A standby's watch over the sequencer that reigns: whether it is silent, goes, or is of no use, and whether a claim would find voters to
 * answer it.
 *
 * It claims only while a majority of the voters is heard: one that is cut off would raise epoch after epoch, and one that has gone deaf would
 * depose the sequencer with claims whose answers it can't hear.
 */
import type { StoreStatus } from '../wire/control.js'
import { type Progress, Stall } from './stall.js'
import { SUSPECT_US, Suspicion, type SuspicionOptions } from './suspicion.js'

/** A voter that was heard within this time is there: they speak every tenth of a second. Less than a silence that is suspected. */
const VOTER_ALIVE_US = 250_000
/** While fewer than a majority were heard for so long, nothing can become stable under anybody: that is no fault of the sequencer's. */
const VOTERS_GONE_US = 1_000_000
/** A standby that lacks so many events takes some tenths of a second to fetch them, and waits so much longer for somebody else to claim. */
const FAR_BEHIND_EVENTS = 50_000
const BEHIND_WAITS_US = 1_000_000
const SILENT = 'the sequencer is silent'
const GONE = 'the sequencer hands over'

export interface VigilOptions extends SuspicionOptions {
  readonly voters: readonly string[]
}

export class Vigil {
  readonly #voters: readonly string[]
  readonly #suspicion: Suspicion
  readonly #stall: Stall
  readonly #votersHeardUs = new Map<string, number>()
  /** Why nobody is heard. */
  #silence = SILENT

  constructor(options: VigilOptions) {
    const { suspectUs = SUSPECT_US, rank, voters } = options
    this.#voters = voters
    this.#suspicion = new Suspicion(options)
    this.#stall = new Stall({ suspectUs, rank, majority: Math.floor(voters.length / 2) + 1 })
  }

  /** The sequencer was heard, or somebody who will be one soon. */
  heard(nowUs: number): void {
    this.#suspicion.heard(nowUs)
    this.#silence = SILENT
  }

  /** The heartbeat of the one that reigns. */
  onProgress(epoch: number, progress: Progress, nowUs: number): void {
    this.#stall.onHeartbeat(epoch, progress, nowUs)
  }

  /** It has said so itself, and all that it has sent is stable. Said again it is no news. */
  gone(nowUs: number): void {
    if (this.#silence === GONE) return
    this.#silence = GONE
    this.#suspicion.gone(nowUs)
  }

  /** Somebody else wants to reign: it is waited for anew. */
  rivalled(nowUs: number): void {
    this.#suspicion.restart(nowUs)
  }

  /** The own try is over. @param isUnanswered and nobody was in its way: a sequencer that has gone is not waited for anew */
  restart(nowUs: number, isUnanswered = false): void {
    if (isUnanswered) this.#suspicion.again(nowUs)
    else this.#suspicion.restart(nowUs)
    this.#stall.restart(nowUs)
  }

  /** A voter of the session speaks. */
  onVoter({ voter, state, durableSequence, life }: StoreStatus, nowUs: number): void {
    // One that has lost its data has no vote to give.
    if (state === 'stopped' || life === 0) this.#votersHeardUs.delete(voter)
    else this.#votersHeardUs.set(voter, nowUs)
    this.#stall.onVoter(voter, durableSequence, nowUs)
  }

  /** To be called at each look, before it is asked. */
  look(nowUs: number): void {
    if (this.#suspicion.look(nowUs) || !this.#heardMajority(VOTERS_GONE_US, nowUs)) this.#stall.slept(nowUs)
  }

  /**
   * @param ownSequence the last event that is had here
   * @returns why the epoch after this reign is to be claimed now; undefined where it is not
   */
  suspected(ownSequence: number, nowUs: number): string | undefined {
    const isFarBehind = this.#stall.newest - ownSequence > FAR_BEHIND_EVENTS
    const isSilent = this.#suspicion.isDue(nowUs, isFarBehind ? BEHIND_WAITS_US : 0)
    const isStalled = !isSilent && this.#stall.isDue(this.#suspicion.jitterUs, nowUs)
    if (!(isSilent || isStalled)) return undefined
    return isSilent ? this.#silence : 'nothing becomes stable under the sequencer that speaks'
  }

  nextLookUs(nowUs: number): number {
    return this.#suspicion.nextLookUs(nowUs)
  }

  /** Whether so many voters are there that a claim can be granted. */
  hearsMajority(nowUs: number): boolean {
    return this.#heardMajority(VOTER_ALIVE_US, nowUs)
  }

  #heardMajority(withinUs: number, nowUs: number): boolean {
    let heard = 0
    for (const heardUs of this.#votersHeardUs.values()) if (nowUs - heardUs <= withinUs) heard++
    return heard > this.#voters.length / 2
  }
}
