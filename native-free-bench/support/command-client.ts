/**
 * The least that a source of commands is: an outbox, a receiver, their sockets. Used where the runtime itself is measured,
 * without an application on top.
 */
import { AUTH_TAG_BYTES, OUTBOX_IN_FLIGHT } from '../../src/core/limits.js'
import { silentLogger } from '../../src/core/log.js'
import { sessionBytes } from '../../src/core/session.js'
import { MulticastSender } from '../../src/net/udp.js'
import { Outbox } from '../../src/protocol/outbox.js'
import { ControlLink } from '../../src/runtime/control-link.js'
import { type Agent, DutyCycle } from '../../src/runtime/duty-cycle.js'
import { EventLink } from '../../src/runtime/event-link.js'
import type { RoleOptions } from '../../src/runtime/options.js'
import { randomIncarnation, systemPlatform } from '../../src/runtime/platform.js'
import { keepYoungGenerationSmall } from '../../src/runtime/young-generation.js'
import { readU16, writeU16 } from '../../src/wire/bytes.js'
import { writeCommandPacketHeader } from '../../src/wire/command.js'
import {
  EVENT_HEADER_BYTES,
  eventType,
  fragmentBytes,
  WHOLE_MESSAGE,
  writeCommandHeader,
} from '../../src/wire/event.js'
import { MOLD_HEADER_BYTES } from '../../src/wire/moldudp64.js'
import {
  REGISTER_SOURCE,
  registerSourceCodec,
  SOURCE_REGISTERED,
  sourceRegisteredCodec,
} from '../../src/wire/runtime-events.js'

export type RunListener = (sequence: number, count: number, bytes: Uint8Array, start: number) => void

export class CommandClient implements Agent {
  readonly cycle: DutyCycle
  /** Called for each own command that has become an event. */
  onReturned: (sourceSequence: number) => void = () => {}
  /** Called for each run of events of the session, own or not, in order. The bytes are valid during the call. */
  readonly #onEvents: RunListener
  /** Called at the end of each turn, before what was appended is sent. @returns when there will be more to append */
  fill: (outbox: Outbox, nowUs: number) => number = () => Number.POSITIVE_INFINITY
  #fillAtUs = Number.POSITIVE_INFINITY
  #outbox: Outbox | undefined
  #source = 0
  #commands: MulticastSender | undefined
  #events: EventLink | undefined

  private constructor(options: Omit<RoleOptions, 'logger'>, onEvents: RunListener) {
    this.#onEvents = onEvents
    this.cycle = new DutyCycle(systemPlatform(), options.idle)
  }

  /** Resolves when the source is registered. */
  static async open(
    roleOptions: Omit<RoleOptions, 'logger'>,
    onEvents: RunListener = () => {},
    inFlightCommands = OUTBOX_IN_FLIGHT,
    /** False saves the calls of `onReturned`. */
    tellsReturned = true,
  ): Promise<CommandClient> {
    keepYoungGenerationSmall()
    const options: RoleOptions = { ...roleOptions, logger: silentLogger }
    const client = new CommandClient(options, onEvents)
    const fail = (error: Error): void => {
      throw error
    }
    client.cycle.start()
    const nonce = randomIncarnation()
    const control = await ControlLink.open(options, nonce, client.cycle, fail)
    const { commandGroup, interfaceAddress } = options
    client.#commands = await MulticastSender.open({ ...commandGroup, interfaceAddress, onError: fail })
    const registered = new Promise<number>((resolve) => {
      client.#onRegistered = (source, itsNonce) => {
        if (itsNonce === nonce) resolve(source)
      }
    })
    client.#events = await EventLink.open(
      { ...options, nextSequence: 1, startRewinding: false, askSequencer: true, seed: 1 },
      client.cycle,
      control,
      {
        deliver: (sequence, count, bytes, start, _end, nowUs) => client.#deliver(sequence, count, bytes, start, nowUs),
        stateChanged: () => {},
        lost: (from, to, reason) => fail(new Error(`lost ${from} to ${to}: ${reason}`)),
        revoked: () => {},
      },
      fail,
    )
    client.cycle.add(client)
    const register = (): void => client.#commands?.send(registration(options.session, nonce))
    const retry = setInterval(register, 50)
    register()
    client.#source = await registered
    clearInterval(retry)
    const sendCommands = (packet: Uint8Array): void => {
      client.#commands?.send(packet)
      client.cycle.expectAnswer()
    }
    const returned = (sourceSequence: number): void => client.onReturned(sourceSequence)
    client.#outbox = new Outbox(
      {
        session: options.session,
        source: client.#source,
        firstSourceSequence: 1,
        datagramBytes: options.datagramBytes,
        tagBytes: 0,
        fragmentBytes: fragmentBytes(options.datagramBytes, MOLD_HEADER_BYTES, AUTH_TAG_BYTES),
        inFlightCommands,
        // Other work on the machine may hold either process for longer than the usual least wait.
        minRtoUs: 50_000,
      },
      tellsReturned ? { sendCommands, returned } : { sendCommands },
    )
    client.#outbox.connect(client.cycle.enter())
    return client
  }

  send(type: number, payload: Uint8Array): void {
    this.#outbox?.append(type, payload, this.cycle.enter())
  }

  flush(nowUs: number): void {
    if (this.#outbox === undefined) return
    this.#fillAtUs = this.fill(this.#outbox, nowUs)
    this.#outbox.flush(nowUs)
  }

  /** What the outbox and the receiver have counted. */
  get counters(): Record<string, number> {
    return { ...this.#events?.receiver.counters, ...this.#outbox?.counters }
  }

  tick(nowUs: number): number {
    if (nowUs >= this.#fillAtUs) this.flush(nowUs)
    return Math.min(this.#fillAtUs, this.#outbox?.tick(nowUs) ?? Number.POSITIVE_INFINITY)
  }

  close(): void {
    this.cycle.stop()
    this.#events?.close()
    this.#commands?.close()
  }

  #onRegistered: (source: number, nonce: number) => void = () => {}

  #deliver(sequence: number, count: number, bytes: Uint8Array, start: number, nowUs: number): void {
    this.#onEvents(sequence, count, bytes, start)
    if (this.#outbox === undefined) {
      this.#lookForSource(count, bytes, start)
      return
    }
    this.#outbox.onRun(sequence, count, bytes, start, nowUs)
    // Without voters, published is stable.
    this.#outbox.onStable(sequence + count - 1)
  }

  #lookForSource(count: number, bytes: Uint8Array, start: number): void {
    for (let i = 0, at = start; i < count; i++) {
      const end = at + 2 + readU16(bytes, at)
      if (eventType(bytes, at + 2) === SOURCE_REGISTERED) {
        const payload = sourceRegisteredCodec.decode(bytes.subarray(at + 2 + EVENT_HEADER_BYTES, end))
        if (payload !== undefined) this.#onRegistered(payload.source, payload.nonce)
      }
      at = end
    }
  }
}

/** A packet that asks for a source. */
export function registration(session: string, nonce: number): Uint8Array {
  const payload = registerSourceCodec.encode({
    name: 'bench',
    nonce,
    exclusive: true,
    component: 'bench',
    schemaHash: '',
  })
  const packet = new Uint8Array(22 + EVENT_HEADER_BYTES + payload.length)
  writeCommandPacketHeader(packet, sessionBytes(session), 0, 1, 1)
  writeU16(packet, 20, EVENT_HEADER_BYTES + payload.length)
  writeCommandHeader(packet, 22, REGISTER_SOURCE, 0, 1, WHOLE_MESSAGE)
  packet.set(payload, 22 + EVENT_HEADER_BYTES)
  return packet
}
