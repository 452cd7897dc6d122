/** Hand-made streams for the tests of the checkers: events, packets, heartbeats and disks, without a system that makes them. */
import { createJudges, type Judges, type JudgesOptions } from '../../src/sim/auditor.js'
import type { SimProcess } from '../../src/sim/observer.js'
import { observeAll } from '../../src/sim/observer.js'
import { Violation } from '../../src/sim/violation.js'
import { type ControlMessage, encodeControl } from '../../src/wire/control.js'
import { sourceRegisteredCodec } from '../../src/wire/runtime-events.js'

export const SESSION = 'SIM'

export function process(node: string, over: Partial<SimProcess> = {}): SimProcess {
  return { node, kind: 'sequencer', start: 1, voter: '', component: '', instance: '', session: SESSION, ...over }
}

export const sequencer1 = process('sequencer-1')
export const sequencer2 = process('sequencer-2')
export const voterA = process('store-a', { kind: 'store', voter: 'a' })
export const voterB = process('store-b', { kind: 'store', voter: 'b' })
export const voterC = process('store-c', { kind: 'store', voter: 'c' })
export const replica1 = process('engine-1', { kind: 'component', component: 'engine', instance: 'engine-1' })
export const replica2 = process('engine-2', { kind: 'component', component: 'engine', instance: 'engine-2' })

export interface EventParts {
  readonly type?: number
  readonly source?: number
  readonly sourceSequence?: number
  readonly timeUs?: number
  readonly epoch?: number
  readonly flags?: number
  readonly payload?: Uint8Array
}

export function event(parts: EventParts = {}): Uint8Array {
  const { type = 3, source = 0, sourceSequence = 0, timeUs = 1, epoch = 1, flags = 3, payload } = parts
  const bytes = new Uint8Array(20 + (payload?.length ?? 0))
  const view = new DataView(bytes.buffer)
  view.setUint16(0, type)
  view.setUint16(2, source)
  view.setUint32(4, sourceSequence)
  view.setBigUint64(8, BigInt(timeUs) * 1000n)
  view.setUint16(16, epoch)
  view.setUint16(18, flags)
  if (payload !== undefined) bytes.set(payload, 20)
  return bytes
}

export function blocks(events: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(events.flatMap((e) => [Uint8Array.of(e.length >> 8, e.length & 0xff), e])))
}

export function eventPacket(sequence: number, events: readonly Uint8Array[], session = SESSION): Uint8Array {
  const head = Buffer.alloc(20, ' ')
  head.write(session, 0, 'ascii')
  head.writeBigUInt64BE(BigInt(sequence), 10)
  head.writeUInt16BE(events.length, 18)
  return new Uint8Array(Buffer.concat([head, blocks(events)]))
}

export function commandPacket(source: number, first: number, commands: readonly Uint8Array[]): Uint8Array {
  const head = Buffer.alloc(20, ' ')
  head.write(SESSION, 0, 'ascii')
  head.writeUInt16BE(source, 10)
  head.writeUInt16BE(0, 12)
  head.writeUInt32BE(first, 14)
  head.writeUInt16BE(commands.length, 18)
  return new Uint8Array(Buffer.concat([head, blocks(commands)]))
}

export type Spans = readonly (readonly [epoch: number, sequence: number])[]

export function heartbeat(
  sender: number,
  spans: Spans,
  stableSequence: number,
  over: object = {},
  session = SESSION,
): Uint8Array {
  const epochTable = spans.map(([epoch, sequence]) => ({ epoch, sequence }))
  const said = {
    kind: 'sequencer',
    body: {
      epoch: epochTable.at(-1)?.epoch ?? 0,
      nextSequence: 1_000,
      stableSequence,
      publishedIsStable: false,
      epochTable,
      state: 'open',
      held: false,
      requestPort: 1,
      counters: {},
      ...over,
    },
  } as const
  return control(sender, said, session)
}

export function acknowledgement(
  voter: string,
  epoch: number,
  durableSequence: number,
  session = SESSION,
  successor = '',
): Uint8Array {
  const said = {
    kind: 'store',
    body: {
      name: voter,
      voter,
      epoch,
      durableSequence,
      committedSequence: durableSequence,
      requestPort: 1,
      rewindPort: 1,
      state: 'live',
      counters: {},
      promised: epoch,
      lastEpoch: epoch,
      successor,
    },
  } as const
  return control(7, said, session)
}

export function grant(voter: string, epoch: number, candidate: number): Uint8Array {
  const ports = { requestPort: 1, rewindPort: 1 }
  return control(7, {
    kind: 'grant',
    body: { epoch, candidate, voter, lastEpoch: 0, durableSequence: 0, epochTable: [], ...ports, life: 1, lives: {} },
  })
}

type Said = ControlMessage extends infer M ? (M extends ControlMessage ? Omit<M, 'session' | 'sender'> : never) : never

export function control(sender: number, said: Said, session = SESSION): Uint8Array {
  return encodeControl({ session, sender, ...said } as ControlMessage)
}

/** Judges, and a system that is played by hand. */
export class Bench {
  readonly judges: Judges
  readonly calls: ReturnType<typeof observeAll>
  nowUs = 0

  constructor(options: Partial<JudgesOptions> = {}) {
    this.judges = createJudges({ session: SESSION, voters: ['a', 'b', 'c'], components: [], ...options })
    this.calls = observeAll(this.judges.observers, (thrown) => {
      throw thrown
    })
    for (const p of [sequencer1, sequencer2, voterA, voterB, voterC, replica1, replica2]) this.calls.started(p, 0)
  }

  publish(sequence: number, events: readonly Uint8Array[], by = sequencer1, session = SESSION): void {
    this.calls.sent(by, 'event', eventPacket(sequence, events, session), this.nowUs)
  }

  say(by: SimProcess, datagram: Uint8Array): void {
    this.calls.sent(by, 'control', datagram, this.nowUs)
  }

  /** The store records and syncs. */
  record(
    store: SimProcess,
    sequence: number,
    events: readonly Uint8Array[],
    durable = sequence + events.length - 1,
  ): void {
    const bytes = blocks(events)
    this.calls.appended(store, sequence, events.length, bytes, 0, bytes.length, this.nowUs)
    this.calls.durable(store, durable, this.nowUs)
  }

  /** The store says in the epoch of the event what its disk has. */
  acknowledge(store: SimProcess, epoch: number, durable: number): void {
    this.say(store, acknowledgement(store.voter, epoch, durable))
  }

  give(replica: SimProcess, sequence: number, events: readonly Uint8Array[]): void {
    const bytes = blocks(events)
    this.calls.delivered(replica, sequence, events.length, bytes, 0, bytes.length, this.nowUs)
  }

  /** Events that are published in epoch 1, recorded by a and b, and reported stable. */
  stable(events: readonly Uint8Array[], from = 1, session = SESSION): void {
    this.publish(from, events, sequencer1, session)
    this.acknowledged(events, from, session)
    this.say(sequencer1, heartbeat(1, [[1, 1]], from + events.length - 1, {}, session))
  }

  /** A majority has recorded what was published, and says so. */
  acknowledged(events: readonly Uint8Array[], from = 1, session = SESSION): void {
    for (const voter of [voterA, voterB].map((process) => ({ ...process, session }))) {
      this.record(voter, from, events)
      this.calls.promised(voter, 1, this.nowUs)
      this.say(voter, acknowledgement(voter.voter, 1, from + events.length - 1, session))
    }
  }
}

/** The violation that a call ends in. */
export function violationOf(run: () => void): string {
  try {
    run()
  } catch (thrown) {
    if (thrown instanceof Violation) return `${thrown.guarantee} ${thrown.message.split(':')[0]}`
    throw thrown
  }
  return 'none'
}

/** `count` Tick events. */
export function ticks(count: number, epoch = 1, timeUs = 1): Uint8Array[] {
  return Array.from({ length: count }, () => event({ epoch, timeUs }))
}

/** Of the source `feed`. */
export const registered = (source: number, closes = 0): Uint8Array => {
  const registration = { name: 'feed', nonce: source, exclusive: true, component: '', schemaHash: '', source, closes }
  return event({ type: 2, payload: sourceRegisteredCodec.encode(registration) })
}
