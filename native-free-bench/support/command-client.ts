/**
 * The least that a source of commands is: an outbox, a receiver, their sockets. Used where the runtime itself is measured,
 * without an application on top.
 */
import { SystemClock } from '../../src/core/clock.js'
import { AUTH_TAG_BYTES } from '../../src/core/limits.js'
import { silentLogger } from '../../src/core/log.js'
import { sessionBytes } from '../../src/core/session.js'
import { MulticastSender } from '../../src/net/udp.js'
import { Outbox } from '../../src/protocol/outbox.js'
import { ControlLink } from '../../src/runtime/control-link.js'
import { type Agent, DutyCycle } from '../../src/runtime/duty-cycle.js'
import { EventLink } from '../../src/runtime/event-link.js'
import { type RoleOptions, randomIncarnation } from '../../src/runtime/options.js'
import { readU16, writeU16 } from '../../src/wire/bytes.js'
import { writeCommandPacketHeader } from '../../src/wire/command.js'
import {
  EVENT_HEADER_BYTES,
  eventSource,
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

export class CommandClient implements Agent {
  readonly cycle: DutyCycle
  /** Called for each own command that has become an event. */
  onReturned: () => void = () => {}
  #outbox: Outbox | undefined
  #source = 0
  #commands: MulticastSender | undefined
  #events: EventLink | undefined

  private constructor(options: Omit<RoleOptions, 'logger'>) {
    this.cycle = new DutyCycle(new SystemClock(), options.idle)
  }

  /** Resolves when the source is registered. */
  static async open(roleOptions: Omit<RoleOptions, 'logger'>): Promise<CommandClient> {
    const options: RoleOptions = { ...roleOptions, logger: silentLogger }
    const client = new CommandClient(options)
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
        deliver: (_sequence, count, bytes, start, end, nowUs) =>
          client.#deliver(_sequence, count, bytes, start, end, nowUs),
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
    client.#outbox = new Outbox(
      {
        session: options.session,
        source: client.#source,
        firstSourceSequence: 1,
        datagramBytes: options.datagramBytes,
        fragmentBytes: fragmentBytes(options.datagramBytes, MOLD_HEADER_BYTES, AUTH_TAG_BYTES),
      },
      { sendCommands: (packet) => client.#commands?.send(packet), returned: () => client.onReturned() },
    )
    client.#outbox.connect(client.cycle.enter())
    return client
  }

  send(type: number, payload: Uint8Array): void {
    this.#outbox?.append(type, payload, this.cycle.enter())
  }

  flush(nowUs: number): void {
    this.#outbox?.flush(nowUs)
  }

  tick(nowUs: number): number {
    return this.#outbox?.tick(nowUs) ?? Number.POSITIVE_INFINITY
  }

  close(): void {
    this.cycle.stop()
    this.#events?.close()
    this.#commands?.close()
  }

  #onRegistered: (source: number, nonce: number) => void = () => {}

  #deliver(sequence: number, count: number, bytes: Uint8Array, start: number, _end: number, nowUs: number): void {
    let at = start
    for (let i = 0; i < count; i++) {
      const lengthBytes = readU16(bytes, at)
      const event = at + 2
      if (this.#outbox !== undefined && eventSource(bytes, event) === this.#source) {
        this.#outbox.onEvent(sequence + i, bytes, event, lengthBytes, nowUs)
        // Without voters, published is stable.
        this.#outbox.onStable(sequence + i)
      } else if (eventType(bytes, event) === SOURCE_REGISTERED) {
        const payload = sourceRegisteredCodec.decode(bytes.subarray(event + EVENT_HEADER_BYTES, event + lengthBytes))
        if (payload !== undefined) this.#onRegistered(payload.source, payload.nonce)
      }
      at = event + lengthBytes
    }
  }
}

function registration(session: string, nonce: number): Uint8Array {
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
