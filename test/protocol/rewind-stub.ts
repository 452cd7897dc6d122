/** What rewind tests share: a log in memory, and both ends with their output kept. */
import type { RunVisitor } from '../../src/protocol/event-log.js'
import { RewindClient, type RewindClientOptions } from '../../src/protocol/rewind-client.js'
import {
  type FindTarget,
  type RewindLog,
  RewindSession,
  type RewindSessionOptions,
} from '../../src/protocol/rewind-server.js'

/** Packets of events, as recorded; events are any bytes. */
export class TestLog implements RewindLog {
  readonly firstSequence: number
  readonly #events: Uint8Array[] = []
  /** How many events each recorded packet holds. */
  readonly #packetEvents: number
  failAt = Number.POSITIVE_INFINITY

  constructor(packetEvents = 3, firstSequence = 1) {
    this.#packetEvents = packetEvents
    this.firstSequence = firstSequence
  }

  get committedSequence(): number {
    return this.firstSequence + this.#events.length - 1
  }

  commit(...events: Uint8Array[]): void {
    this.#events.push(...events)
  }

  event(sequence: number): Uint8Array {
    return this.#events[sequence - this.firstSequence]!
  }

  read(from: number, maxPackets: number, visit: RunVisitor): number {
    let next = from
    for (let i = 0; i < maxPackets && next <= this.committedSequence; i++) {
      if (next >= this.failAt) throw new Error(`session TEST: the value at ${next} is corrupt`)
      const packetEnd = Math.ceil((next - this.firstSequence + 1) / this.#packetEvents) * this.#packetEvents
      const events = this.#events.slice(next - this.firstSequence, packetEnd)
      const blocks = Buffer.concat(events.flatMap((event) => [Buffer.from([event.length >> 8, event.length]), event]))
      const bytes = Buffer.concat([Buffer.alloc(7, 0xee), blocks, Buffer.alloc(3, 0xee)])
      const first = next
      next += events.length
      if (!visit(first, events.length, bytes, 7, 7 + blocks.length, 0)) break
    }
    return next
  }
}

export interface Server {
  readonly session: RewindSession
  readonly log: TestLog
  /** What was sent and not taken from here. */
  readonly sent: Uint8Array[]
  readonly closed: string[]
}

/** A server of session TEST, which is the current one. */
export function onlyTest(log: TestLog, ended = false): FindTarget {
  return (session, found) => found(session === '' || session === 'TEST' ? { log, session: 'TEST', ended } : undefined)
}

export function createServer(
  { ended = false, ...options }: Partial<RewindSessionOptions> & { ended?: boolean } = {},
  log = new TestLog(),
): Server {
  const sent: Uint8Array[] = []
  const closed: string[] = []
  const session = new RewindSession(
    { find: onlyTest(log, ended), ...options },
    {
      send: (bytes) => sent.push(bytes),
      close: (reason) => closed.push(reason),
      bufferedBytes: () => sent.reduce((sum, bytes) => sum + bytes.length, 0),
    },
  )
  return { session, log, sent, closed }
}

export interface Client {
  readonly client: RewindClient
  readonly sent: Uint8Array[]
  readonly closed: string[]
  readonly ended: string[]
  readonly started: [sequence: number, session: string][]
  readonly events: { sequence: number; event: Buffer }[]
  readonly runs: number[]
}

export function createClient(options: Partial<RewindClientOptions> = {}): Client {
  const made: Omit<Client, 'client'> = { sent: [], closed: [], ended: [], started: [], events: [], runs: [] }
  const client = new RewindClient(
    { session: 'TEST', fromSequence: 1, ...options },
    {
      send: (bytes) => made.sent.push(bytes),
      close: (reason) => made.closed.push(reason),
      started: (sequence, session) => made.started.push([sequence, session]),
      run: (sequence, count, bytes, start, end) => {
        made.runs.push(count)
        const blocks = Buffer.from(bytes.subarray(start, end))
        let at = 0
        for (let i = 0; i < count; i++) {
          const next = at + 2 + blocks.readUInt16BE(at)
          made.events.push({ sequence: sequence + i, event: blocks.subarray(at + 2, next) })
          at = next
        }
        if (at !== blocks.length) throw new Error('a run ends where its last block does')
      },
      ended: (reason) => made.ended.push(reason),
    },
  )
  return { client, ...made }
}

/** A packet as the specification writes it: length of type and payload, type, payload. */
export function packet(type: string, payload: string | Uint8Array = ''): Buffer {
  const body = Buffer.concat([
    Buffer.from(type, 'latin1'),
    typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload,
  ])
  return Buffer.concat([Buffer.from([body.length >> 8, body.length & 0xff]), body])
}

export function login(session: string, sequence: number, username = '', password = ''): Buffer {
  return packet('L', username.padEnd(6) + password.padEnd(10) + session.padStart(10) + String(sequence).padStart(20))
}

export function accepted(session: string, sequence: number): Buffer {
  return packet('A', session.padStart(10) + String(sequence).padStart(20))
}

/** Takes all that was sent, as one. */
export function take(sent: Uint8Array[]): Buffer {
  return Buffer.concat(sent.splice(0))
}

export const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value, 'latin1'))
