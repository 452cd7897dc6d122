/**
 * The duty cycle: the one loop of a process, and the only owner of timers.
 *
 * Machines are fed by sockets during a turn of the event loop. The first feed of a turn reads the clock and schedules the
 * end of the turn, which comes after all datagrams that were waiting have been read: there every machine flushes what it
 * has batched. So batching costs no wait, and one clock read serves the whole turn.
 *
 * A datagram that comes alone is not even made to wait for that: what came of it is flushed at once, and timers are looked
 * at a little later. Whether it is alone shows in the time since the one before.
 *
 * `spin` keeps the loop hot: a pending immediate makes the kernel's wait return at once, which halves the round trip and
 * takes a core. `block` sleeps until a datagram or a deadline. Waking up costs more than all the rest of a round trip, so it
 * looks a moment longer where an answer is probably about to come: something was sent, and datagrams come close together.
 */
import type { Clock } from '../core/clock.js'
import type { Timer, Timers } from '../core/timers.js'
import type { Platform } from './platform.js'

export type IdleMode = 'spin' | 'block'

export interface Agent {
  /** The end of a turn in which something was fed: send what was batched. */
  flush(nowUs: number, wallUs: number): void
  /** Timers. @returns the next deadline in monotonic microseconds; Infinity for none */
  tick(nowUs: number, wallUs: number): number
}

/** Datagrams that were waiting together are read this close to each other; one in flight comes less often on any machine. */
const BURST_GAP_US = 8
/** After a lone datagram, deadlines may have moved: they are looked at after this long. */
const LOOK_AGAIN_US = 200
/** `block` looks for an answer so long before it sleeps: about what sleeping and waking up takes. */
const POLL_US = 50
/** It does so only while datagrams come closer to each other than this. An idle process never does. */
const POLL_GAP_US = 100

export class DutyCycle {
  /** What the process of this loop stands on. */
  readonly platform: Platform
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #idle: IdleMode
  readonly #agents: Agent[] = []
  readonly #endTurn = (): void => this.#turn()
  #state: 'stopped' | 'idle' | 'alone' | 'in-turn' = 'stopped'
  #nowUs = 0
  #wallUs = 0
  #deadlineUs = 0
  #timer: Timer | undefined
  #timerUs = Number.POSITIVE_INFINITY
  #spinning = false
  /** When the last datagram was fed. */
  #fedUs = Number.NEGATIVE_INFINITY
  #answerExpected = false
  #pollUntilUs = 0
  #polling = false
  readonly #poll = (): void => {
    this.#polling = this.#state !== 'stopped' && this.#clock.nowUs() < this.#pollUntilUs
    if (this.#polling) this.#timers.defer(this.#poll)
  }

  constructor(platform: Platform, idle: IdleMode) {
    this.platform = platform
    this.#clock = platform.clock
    this.#timers = platform.timers
    this.#idle = idle
  }

  /** Agents are flushed and ticked in the order in which they were added. */
  add(agent: Agent): void {
    this.#agents.push(agent)
    this.#deadlineUs = 0
    if (this.#state !== 'stopped') this.enter()
  }

  remove(agent: Agent): void {
    const at = this.#agents.indexOf(agent)
    if (at >= 0) this.#agents.splice(at, 1)
  }

  start(): void {
    if (this.#state !== 'stopped') return
    this.#state = 'idle'
    this.enter()
  }

  stop(): void {
    this.#state = 'stopped'
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerUs = Number.POSITIVE_INFINITY
  }

  /** To be called before a machine is fed. @returns the time of this turn, in monotonic microseconds */
  enter(): number {
    if (this.#state === 'idle') {
      this.#readClock()
      this.#begin()
    } else if (this.#state === 'stopped') {
      this.#readClock()
    }
    return this.#nowUs
  }

  /** To be called before a machine is fed with a datagram, and `fed` after it. @returns the time, as `enter` */
  receive(): number {
    if (this.#state !== 'idle') return this.enter()
    this.#readClock()
    if (this.#nowUs - this.#fedUs < BURST_GAP_US) this.#begin()
    else this.#state = 'alone'
    return this.#nowUs
  }

  /** The datagram was fed. What came of a lone one goes out now. */
  fed(): void {
    const gapUs = this.#nowUs - this.#fedUs
    this.#fedUs = this.#nowUs
    if (this.#state !== 'alone') return
    this.#answerExpected = false
    this.#flushAgents()
    if (this.#isStopped()) return
    this.#state = 'idle'
    this.#deadlineUs = Math.min(this.#deadlineUs, this.#nowUs + LOOK_AGAIN_US)
    if (this.#idle === 'spin') {
      if (!this.#spinning) this.#spin()
      return
    }
    if (this.#answerExpected && gapUs < POLL_GAP_US) this.#lookLonger()
    this.#arm()
  }

  /** Something was sent that others answer. */
  expectAnswer(): void {
    this.#answerExpected = true
  }

  /** The time of this turn on the wall clock; call `enter` first. */
  get wallUs(): number {
    return this.#wallUs
  }

  #lookLonger(): void {
    this.#pollUntilUs = this.#nowUs + POLL_US
    if (this.#polling) return
    this.#polling = true
    this.#timers.defer(this.#poll)
  }

  #begin(): void {
    this.#state = 'in-turn'
    if (this.#idle === 'block') this.#timers.defer(this.#endTurn)
    else if (!this.#spinning) this.#spin()
  }

  #readClock(): void {
    this.#nowUs = this.#clock.nowUs()
    this.#wallUs = this.#clock.wallUs(this.#nowUs)
  }

  #turn(): void {
    if (this.#state === 'stopped') return
    if (this.#state === 'in-turn') this.#flushAgents()
    if (this.#isStopped()) return
    this.#state = 'idle'
    this.#tickAgents()
    if (this.#idle === 'block' && !this.#isStopped()) this.#arm()
  }

  /** An agent that fails closes its role, and with it the loop that has called it. */
  #isStopped(): boolean {
    return this.#state === 'stopped'
  }

  #flushAgents(): void {
    for (const agent of this.#agents) agent.flush(this.#nowUs, this.#wallUs)
  }

  /** Every agent is asked each time: a turn may have moved any deadline, and asking is cheap. */
  #tickAgents(): void {
    let deadlineUs = Number.POSITIVE_INFINITY
    for (const agent of this.#agents) {
      if (this.#isStopped()) return
      const nextUs = agent.tick(this.#nowUs, this.#wallUs)
      if (nextUs < deadlineUs) deadlineUs = nextUs
    }
    this.#deadlineUs = deadlineUs
  }

  /** A timer that fires too early costs one empty turn; one that is moved at every turn costs more. */
  #arm(): void {
    if (this.#timerUs <= this.#deadlineUs || this.#deadlineUs === Number.POSITIVE_INFINITY) return
    this.#timer?.cancel()
    this.#timerUs = this.#deadlineUs
    const waitMs = Math.max(1, Math.ceil((this.#deadlineUs - this.#nowUs) / 1000))
    this.#timer = this.#timers.after(waitMs, () => {
      this.#timerUs = Number.POSITIVE_INFINITY
      this.enter()
    })
  }

  #spin(): void {
    this.#spinning = true
    const loop = (): void => {
      if (this.#state === 'stopped') {
        this.#spinning = false
        return
      }
      if (this.#state === 'in-turn') {
        this.#turn()
      } else {
        this.#readClock()
        if (this.#nowUs >= this.#deadlineUs) this.#tickAgents()
      }
      this.#timers.defer(loop)
    }
    this.#timers.defer(loop)
  }
}
