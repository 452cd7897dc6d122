/**
 * The sending half of an outbox: what of the ring goes out and when. All from the first command that is missing, as far as the
 * window allows, and again after the time in which it should have come back; only what adjoins is in one packet. Which
 * commands there are, and which have come back, the ring knows.
 */
import type { Counters } from '../core/counters.js'
import { AUTH_TAG_BYTES, OUTBOX_IN_FLIGHT } from '../core/limits.js'
import { COMMAND_HEADER_BYTES, commandCount } from '../wire/command.js'
import { EVENT_HEADER_BYTES } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import { CommandPacker } from './command-packer.js'
import type { CommandRing } from './command-ring.js'
import { FlowWindow } from './flow-window.js'
import type { OutboxCounter, OutboxOptions, OutboxOutput } from './outbox-types.js'
import { RoundTrip } from './round-trip.js'

/** Below this a garbage collection at the other end would look like a loss. */
const DEFAULT_MIN_RTO_US = 2_000
const DEFAULT_MAX_RTO_US = 200_000

export class CommandSender {
  readonly #ring: CommandRing
  readonly #counters: Counters<OutboxCounter>
  readonly #output: OutboxOutput
  readonly #maxRtoUs: number
  readonly #roundTrip: RoundTrip
  readonly #window: FlowWindow
  readonly #packer: CommandPacker
  #isBound: boolean
  #connected = false
  #held = false
  #nextToSend: number
  /** Commands below were sent more than once, or maybe by another replica: their round trips are not measured (Karn). */
  #ambiguousBelow: number
  /** Commands below were sent from here before. */
  #resentBelow: number
  /** Commands below were appended before the connection: their latency says nothing. */
  #latencyFrom: number
  #sampledSentUs = -1
  #deadlineUs = Number.POSITIVE_INFINITY

  /** @throws Error where the options contradict each other: a programmer's error */
  constructor(options: OutboxOptions, ring: CommandRing, counters: Counters<OutboxCounter>, output: OutboxOutput) {
    const wholeBlockBytes = COMMAND_HEADER_BYTES + BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES + options.fragmentBytes
    if (!(options.fragmentBytes >= 1 && wholeBlockBytes <= options.datagramBytes)) {
      throw new Error(`outbox: fragments of ${options.fragmentBytes} bytes in datagrams of ${options.datagramBytes}`)
    }
    this.#ring = ring
    this.#counters = counters
    this.#output = output
    this.#maxRtoUs = options.maxRtoUs ?? DEFAULT_MAX_RTO_US
    this.#roundTrip = new RoundTrip(options.minRtoUs ?? DEFAULT_MIN_RTO_US, this.#maxRtoUs)
    this.#window = new FlowWindow(options.inFlightCommands ?? OUTBOX_IN_FLIGHT)
    const packetBytes = Math.max(wholeBlockBytes, options.datagramBytes - (options.tagBytes ?? AUTH_TAG_BYTES))
    this.#packer = new CommandPacker(options.session, options.source, packetBytes)
    this.#isBound = options.source !== 0
    this.#nextToSend = ring.next
    this.#ambiguousBelow = ring.next
    this.#resentBelow = ring.next
    this.#latencyFrom = ring.next
  }

  get isConnected(): boolean {
    return this.#connected
  }

  get roundTripUs(): number {
    return this.#roundTrip.smoothedUs
  }

  /** What is held is of this source; 0 while it is unknown: nothing is sent. */
  bind(source: number): void {
    this.#isBound = source !== 0
    this.#packer.setSource(source)
  }

  /** What is in flight was sent in another reign, which takes nothing any more: all that is missing goes out at once. */
  setEpoch(epoch: number, nowUs: number): void {
    this.#packer.setEpoch(epoch)
    this.#deadlineUs = Number.POSITIVE_INFINITY
    this.#goBack()
    // Nobody was there to take them: no sign of a network that is too slow.
    this.#window.restart()
    this.#roundTrip.forgetBackOff()
    this.flush(nowUs)
  }

  connect(nowUs: number): void {
    this.#connected = true
    this.#nextToSend = this.#ring.nextReturned
    this.#ambiguousBelow = this.#ring.next
    this.#latencyFrom = this.#ring.next
    this.flush(nowUs)
  }

  disconnect(): void {
    this.#connected = false
    this.#resentBelow = Math.max(this.#resentBelow, this.#nextToSend)
    this.#deadlineUs = Number.POSITIVE_INFINITY
  }

  setHeld(held: boolean): void {
    this.#held = held
    this.#deadlineUs = Number.POSITIVE_INFINITY
    if (!held) this.#goBack()
  }

  /** Commands that had come back are missing again: the next `flush` sends from the first of them on. */
  onRevoked(): void {
    this.#deadlineUs = Number.POSITIVE_INFINITY
    this.#goBack()
  }

  /** The commands from `first` to the last one returned have come back at once. */
  onReturned(first: number, nowUs: number): void {
    if (!this.#connected) return
    const next = this.#ring.nextReturned
    if (this.#nextToSend < next) this.#nextToSend = next
    // One sample for each packet: its commands were sent at once and mostly come back at once.
    if (first >= this.#ambiguousBelow) this.#sample(this.#ring.sentUs(first), nowUs)
    this.#window.grow(next - first)
    this.#arm(nowUs)
    if (this.#output.returned === undefined) return
    for (let n = Math.max(first, this.#latencyFrom); n < next; n++) {
      this.#output.returned(n, nowUs - this.#ring.appendedUs(n))
    }
  }

  flush(nowUs: number): void {
    if (this.#nextToSend === this.#ring.next && this.#deadlineUs !== Number.POSITIVE_INFINITY) return
    if (!this.#connected || !this.#isBound) return
    if (!this.#held) {
      const limit = Math.min(this.#ring.next, this.#ring.nextReturned + this.#window.commands)
      while (this.#nextToSend < limit && this.#isWorthSending(limit)) this.#sendPacket(limit, nowUs)
    }
    if (this.#deadlineUs === Number.POSITIVE_INFINITY) this.#arm(nowUs)
  }

  tick(nowUs: number): number {
    if (nowUs >= this.#deadlineUs) this.#onTimeout(nowUs)
    else this.flush(nowUs)
    return this.#deadlineUs
  }

  #sample(sentUs: number, nowUs: number): void {
    if (sentUs === this.#sampledSentUs) return
    this.#sampledSentUs = sentUs
    this.#roundTrip.sample(nowUs - sentUs)
  }

  #arm(nowUs: number): void {
    const nextReturned = this.#ring.nextReturned
    const waiting = this.#nextToSend > nextReturned || (this.#held && this.#ring.next > nextReturned)
    this.#deadlineUs = waiting
      ? nowUs + (this.#held ? this.#maxRtoUs : this.#roundTrip.rtoUs)
      : Number.POSITIVE_INFINITY
  }

  #onTimeout(nowUs: number): void {
    this.#counters.timeouts++
    this.#goBack()
    if (this.#held) this.#sendPacket(this.#ring.next, nowUs)
    else this.#roundTrip.backOff()
    this.#deadlineUs = Number.POSITIVE_INFINITY
    this.flush(nowUs)
  }

  /**
   * Where the window and not the data ends a packet, it waits until it is full, unless nothing is in flight: else many small
   * packets would come back as many small openings of the window, and stay small for ever (RFC 813).
   */
  #isWorthSending(limit: number): boolean {
    if (limit === this.#ring.next || this.#nextToSend === this.#ring.nextReturned) return true
    return this.#packer.isFilled(this.#ring, this.#nextToSend, limit)
  }

  #goBack(): void {
    const inFlight = this.#nextToSend - this.#ring.nextReturned
    if (inFlight <= 0) return
    this.#resentBelow = Math.max(this.#resentBelow, this.#nextToSend)
    this.#ambiguousBelow = Math.max(this.#ambiguousBelow, this.#nextToSend)
    this.#nextToSend = this.#ring.nextReturned
    this.#window.shrink(inFlight)
  }

  /** Sends one packet that begins with the next command to send and holds none from `limit` on. */
  #sendPacket(limit: number, nowUs: number): void {
    const first = this.#nextToSend
    const packet = this.#packer.pack(this.#ring, first, limit, nowUs)
    const count = commandCount(packet)
    this.#nextToSend = first + count
    this.#counters.sentPackets++
    this.#counters.sentCommands += count
    this.#counters.resentCommands += Math.max(0, Math.min(this.#nextToSend, this.#resentBelow) - first)
    this.#output.sendCommands(packet)
  }
}
