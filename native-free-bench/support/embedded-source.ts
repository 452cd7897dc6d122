/**
 * A sequencer and a source in one process: the outbox hands its packets to the sequencer, and sees its events come back as the
 * sequencer sends them. Sockets are there for events, requests and the control stream.
 */
import { AUTH_TAG_BYTES } from '../../src/core/limits.js'
import { silentLogger } from '../../src/core/log.js'
import { MulticastSender, UnicastSocket } from '../../src/net/udp.js'
import { Outbox } from '../../src/protocol/outbox.js'
import { Sequencer } from '../../src/protocol/sequencer.js'
import { ControlLink } from '../../src/runtime/control-link.js'
import { type Agent, DutyCycle } from '../../src/runtime/duty-cycle.js'
import type { RoleOptions } from '../../src/runtime/options.js'
import { randomIncarnation, systemPlatform } from '../../src/runtime/platform.js'
import { fragmentBytes } from '../../src/wire/event.js'
import { MOLD_HEADER_BYTES, moldCount, moldSequence } from '../../src/wire/moldudp64.js'
import { registration } from './command-client.js'

/** The first source that is registered. */
const SOURCE = 1

export class EmbeddedSource implements Agent {
  readonly cycle: DutyCycle
  readonly sequencer: Sequencer
  readonly outbox: Outbox
  /** Called at the end of each turn, before what was appended is sent. */
  fill: (outbox: Outbox, nowUs: number) => void = () => {}
  readonly #events: MulticastSender
  #wallUs = 0

  private constructor(
    options: RoleOptions,
    voter: string,
    /** What is not yet acknowledged by the receiver: it has to fit its socket's buffer. */
    unacknowledgedCommands: number,
    cycle: DutyCycle,
    sockets: { events: MulticastSender; requests: UnicastSocket; control: ControlLink },
  ) {
    const { session, datagramBytes } = options
    const { requests, control } = sockets
    this.cycle = cycle
    this.#events = sockets.events
    this.outbox = new Outbox(
      {
        session,
        source: SOURCE,
        firstSourceSequence: 1,
        datagramBytes,
        fragmentBytes: fragmentBytes(datagramBytes, MOLD_HEADER_BYTES, AUTH_TAG_BYTES),
        capacityCommands: unacknowledgedCommands,
      },
      // The sequencer keeps the packet, the outbox uses its memory again.
      { sendCommands: (packet) => this.sequencer.onCommandPacket(packet.slice(), this.cycle.enter(), this.#wallUs) },
    )
    this.sequencer = new Sequencer(
      {
        session,
        datagramBytes,
        voters: [voter],
        incarnation: control.sender,
        requestPort: requests.port,
        tickUs: 0,
      },
      {
        sendEvents: (packet) => this.#onEvents(packet),
        sendAnswer: (packet, peer) => requests.send(packet, peer.address, peer.port),
        sendControl: (kind, body) => control.send(kind, body),
        stateChanged: () => {},
      },
    )
  }

  static async open(
    withoutLogger: Omit<RoleOptions, 'logger'>,
    voter: string,
    unacknowledgedCommands: number,
  ): Promise<EmbeddedSource> {
    const options: RoleOptions = { ...withoutLogger, logger: silentLogger }
    const onError = (error: Error): void => {
      throw error
    }
    const cycle = new DutyCycle(systemPlatform(), options.idle)
    cycle.start()
    const { interfaceAddress, eventGroup } = options
    const control = await ControlLink.open(options, randomIncarnation(), cycle, onError)
    const events = await MulticastSender.open({ ...eventGroup, interfaceAddress, onError })
    const requests = await UnicastSocket.open({ port: 0, interfaceAddress, onError }, (packet, address, port) =>
      source.sequencer.onRequest(packet, { address, port }, cycle.enter()),
    )
    const source = new EmbeddedSource(options, voter, unacknowledgedCommands, cycle, { events, requests, control })
    control.listen((message, _address, nowUs) => {
      source.sequencer.onControl(message, nowUs, cycle.wallUs)
      source.outbox.onStable(source.sequencer.stableSequence)
    })
    const nowUs = cycle.enter()
    source.sequencer.open(nowUs, cycle.wallUs)
    source.sequencer.onCommandPacket(registration(options.session, randomIncarnation()), nowUs, cycle.wallUs)
    source.sequencer.flush(nowUs, cycle.wallUs)
    source.outbox.connect(nowUs)
    cycle.add(source)
    return source
  }

  flush(nowUs: number, wallUs: number): void {
    this.#wallUs = wallUs
    this.fill(this.outbox, nowUs)
    this.outbox.flush(nowUs)
    this.sequencer.flush(nowUs, wallUs)
  }

  tick(nowUs: number, wallUs: number): number {
    this.#wallUs = wallUs
    return Math.min(this.sequencer.tick(nowUs, wallUs), this.outbox.tick(nowUs))
  }

  #onEvents(packet: Uint8Array): void {
    this.#events.send(packet)
    const count = moldCount(packet)
    if (count > 0 && count < 0xffff) {
      this.outbox.onRun(moldSequence(packet), count, packet, MOLD_HEADER_BYTES, this.cycle.enter())
    }
  }
}
