/**
 * How long to wait for a command's event before it is sent again: Jacobson and Karels' estimate of the round trip
 * (mean plus four deviations, as RFC 6298), with exponential back-off. By Karn's rule the caller gives no sample of a
 * command that was sent twice, and a back-off stays until a clean sample arrives: otherwise a path that has become
 * slower would be resent to forever and never measured.
 */

/** Before the first sample nothing is known; a lost first command costs this much. */
const INITIAL_RTO_US = 20_000
/** Timers and turns of the event loop are coarser than a loopback's deviation. */
const GRANULARITY_US = 500

export class RoundTrip {
  readonly #minRtoUs: number
  readonly #maxRtoUs: number
  #smoothedUs = 0
  #deviationUs = 0
  #measured = false
  #rtoUs: number

  constructor(minRtoUs: number, maxRtoUs: number) {
    if (!(minRtoUs > 0 && maxRtoUs >= minRtoUs)) throw new Error(`round trip: bounds ${minRtoUs}, ${maxRtoUs}`)
    this.#minRtoUs = minRtoUs
    this.#maxRtoUs = maxRtoUs
    this.#rtoUs = this.#clamp(INITIAL_RTO_US)
  }

  /** The wait before the next resend, back-off included, in microseconds. */
  get rtoUs(): number {
    return this.#rtoUs
  }

  /** The smoothed round trip in microseconds; 0 before the first sample. */
  get smoothedUs(): number {
    return this.#smoothedUs
  }

  /** One clean measurement. Ends a back-off. */
  sample(roundTripUs: number): void {
    if (this.#measured) {
      const errorUs = roundTripUs - this.#smoothedUs
      this.#deviationUs += (Math.abs(errorUs) - this.#deviationUs) / 4
      this.#smoothedUs += errorUs / 8
    } else {
      this.#measured = true
      this.#smoothedUs = roundTripUs
      this.#deviationUs = roundTripUs / 2
    }
    this.#rtoUs = this.#clamp(this.#estimateUs())
  }

  /** What did not come back says nothing about the path: the wait is again what was measured before. */
  forgetBackOff(): void {
    this.#rtoUs = this.#clamp(this.#measured ? this.#estimateUs() : INITIAL_RTO_US)
  }

  /** Nothing came back in time: wait twice as long. */
  backOff(): void {
    this.#rtoUs = this.#clamp(this.#rtoUs * 2)
  }

  #estimateUs(): number {
    return this.#smoothedUs + Math.max(GRANULARITY_US, 4 * this.#deviationUs)
  }

  #clamp(us: number): number {
    return Math.min(this.#maxRtoUs, Math.max(this.#minRtoUs, us))
  }
}
