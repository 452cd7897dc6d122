/**
 * Which sequencer a receiver believes, and whether a restarted one is behind what was delivered. Event packets do not say who
 * sent them, and a control heartbeat may be read after newer events of the same sequencer. So a new sender is behind where
 * its next sequence is below what the earlier sender had announced, or below what was delivered before the last silence of
 * the stream.
 *
 * A sequencer that starts has heard no other for a while, and of two that run one stops: whoever speaks while the present
 * one is heard is not to be believed.
 *
 * That is so within one epoch. A greater epoch was granted by the voters, and needs no further proof.
 *
 * Who never heard the earlier one, or missed the first words of the new one, learns it more slowly: a sequencer that again
 * and again says less than what was delivered has not sent that.
 */

/** A sequencer does not die and come back within this time. */
const PAUSE_US = 20_000
/** A sequencer that was heard within this time is alive: it speaks every tenth of a second, and its successor waits longer. */
const SILENCE_US = 250_000
const REMEMBERED_SENDERS = 16
/** Heartbeats are read a little after newer events; never so many, over so long, after the same one. */
const DOUBTS = 8
const DOUBT_US = 50_000

/**
 * `current`: the sequencer that was heard before, or the first. `successor`: another one, that goes on where it was. `behind`:
 * one that goes on before that. `stale`: older than what the same one, or its successor, has said. `rival`: somebody
 * else, while the present one is heard. `bad`: the number is not one.
 */
export type HeartbeatVerdict = 'current' | 'successor' | 'behind' | 'stale' | 'rival' | 'bad'

interface Rival {
  readonly sender: number
  isBehind: boolean
}

export class SequencerWatch {
  #sender: number | undefined
  #epoch = 0
  #announced = 0
  #heardUs = 0
  /** Since when the sender has only said less than it once did; NaN where it has not. */
  #lessSinceUs = Number.NaN
  /** What was delivered when the sender first said less, since when, and how often it has done so. */
  #doubtedNext = 0
  #doubtedSinceUs = 0
  #doubts = 0
  #settledNext = 0
  #eventsAtUs = 0
  readonly #retired: number[] = []
  /** Who spoke last of those that are not believed, and whether it ever was behind: it may turn out to be the successor. */
  #rival: Rival | undefined

  /** The sequencer that is believed. */
  get sender(): number | undefined {
    return this.#sender
  }

  /**
   * To be called with each packet of events, before it is delivered.
   * @returns true after a silence in which a sequencer can have been replaced: what waits since then may be of another branch
   */
  onEvents(nextSequence: number, nowUs: number): boolean {
    const isAfterSilence = nowUs - Math.max(this.#eventsAtUs, this.#heardUs) >= SILENCE_US
    if (nowUs - this.#eventsAtUs >= PAUSE_US) this.#settledNext = nextSequence
    this.#eventsAtUs = nowUs
    return isAfterSilence
  }

  /**
   * @param epoch of the sender's reign
   * @param announced the next sequence that `sender` names
   * @param nextSequence the next that would be delivered here
   */
  onHeartbeat(sender: number, epoch: number, announced: number, nextSequence: number, nowUs: number): HeartbeatVerdict {
    if (!(Number.isSafeInteger(announced) && announced >= 1)) return 'bad'
    if (epoch < this.#epoch) return 'stale'
    if (this.#sender === undefined || epoch > this.#epoch) return this.#onReign(sender, epoch, announced, nowUs)
    if (sender === this.#sender) return this.#onKnown(announced, nextSequence, nowUs)
    const rival = this.#judged(sender, announced, nextSequence, nowUs)
    if (nowUs - this.#heardUs < SILENCE_US) {
      this.#rival = rival
      return this.#retired.includes(sender) ? 'stale' : 'rival'
    }
    if (rival.isBehind && this.#retired.includes(sender)) return 'stale'
    this.#retired.push(this.#sender)
    if (this.#retired.length > REMEMBERED_SENDERS) this.#retired.shift()
    this.#adopt(sender, announced, nowUs)
    return rival.isBehind ? 'behind' : 'successor'
  }

  /** The first sequencer that is heard of, or one of a newer epoch: also one that was given up in an older epoch. */
  #onReign(sender: number, epoch: number, announced: number, nowUs: number): HeartbeatVerdict {
    const isFirst = this.#sender === undefined
    this.#epoch = epoch
    this.#retired.length = 0
    this.#adopt(sender, announced, nowUs)
    return isFirst ? 'current' : 'successor'
  }

  /** What it said first counts most: since then its own events may have been delivered. */
  #judged(sender: number, announced: number, nextSequence: number, nowUs: number): Rival {
    if (this.#rival?.sender === sender) {
      this.#rival.isBehind ||= announced < Math.min(nextSequence, this.#announced)
      return this.#rival
    }
    if (nowUs - this.#eventsAtUs >= PAUSE_US) this.#settledNext = nextSequence
    return { sender, isBehind: announced < Math.min(nextSequence, Math.max(this.#announced, this.#settledNext)) }
  }

  /** Heartbeats overtake each other by little: one that says less for long is right, and what it had said was not its own. */
  #onKnown(announced: number, nextSequence: number, nowUs: number): HeartbeatVerdict {
    this.#heardUs = nowUs
    if (announced < this.#announced) {
      if (Number.isNaN(this.#lessSinceUs)) this.#lessSinceUs = nowUs
      if (nowUs - this.#lessSinceUs < SILENCE_US) return 'stale'
    }
    this.#announced = announced
    this.#lessSinceUs = Number.NaN
    return this.#isDoubted(announced, nextSequence, nowUs) ? 'behind' : 'current'
  }

  #isDoubted(announced: number, nextSequence: number, nowUs: number): boolean {
    if (announced >= this.#doubtedNext) {
      this.#doubts = 0
      this.#doubtedNext = announced < nextSequence ? nextSequence : 0
      this.#doubtedSinceUs = nowUs
    }
    if (this.#doubtedNext > 0) this.#doubts++
    return this.#doubts >= DOUBTS && nowUs - this.#doubtedSinceUs >= DOUBT_US
  }

  #adopt(sender: number, announced: number, nowUs: number): void {
    this.#sender = sender
    this.#announced = announced
    this.#heardUs = nowUs
    this.#lessSinceUs = Number.NaN
    this.#doubtedNext = 0
    this.#rival = undefined
  }
}
