/**
 * Notices a sequencer that restarted behind what was delivered. Event packets do not say who sent them, and a control
 * heartbeat may be read after newer events of the same sequencer. So a new sender is behind where its next sequence is
 * below what the earlier sender had announced, or below what was delivered before the last silence of the stream.
 */

/** A sequencer does not die and come back within this time. */
const SILENCE_US = 20_000
const REMEMBERED_SENDERS = 16

export type HeartbeatVerdict = 'current' | 'stale' | 'behind'

export class SequencerWatch {
  #sender: number | undefined
  #announced = 0
  #settledNext = 0
  #eventsAtUs = 0
  readonly #retired: number[] = []

  /** To be called with each packet of events, before it is delivered. */
  onEvents(nextSequence: number, nowUs: number): void {
    if (nowUs - this.#eventsAtUs >= SILENCE_US) this.#settledNext = nextSequence
    this.#eventsAtUs = nowUs
  }

  /**
   * @param announced the next sequence that `sender` names
   * @param nextSequence the next that would be delivered here
   */
  onHeartbeat(sender: number, announced: number, nextSequence: number, nowUs: number): HeartbeatVerdict {
    if (sender === this.#sender) {
      if (announced < this.#announced) return 'stale'
      this.#announced = announced
      return 'current'
    }
    if (this.#retired.includes(sender)) return 'stale'
    if (nowUs - this.#eventsAtUs >= SILENCE_US) this.#settledNext = nextSequence
    const floor = Math.min(nextSequence, Math.max(this.#announced, this.#settledNext))
    const isBehind = this.#sender !== undefined && announced < floor
    this.#adopt(sender, announced)
    return isBehind ? 'behind' : 'current'
  }

  #adopt(sender: number, announced: number): void {
    if (this.#sender !== undefined) this.#retired.push(this.#sender)
    if (this.#retired.length > REMEMBERED_SENDERS) this.#retired.shift()
    this.#sender = sender
    this.#announced = announced
  }
}
