/**
 * Kills this process at its point, without a word to anybody: a network whose sender of commands looks at what goes out, and effects
 * that look at what was done. The product knows nothing of it.
 */
import { writeSync } from 'node:fs'
import type { GroupAddress } from '../../src/net/interfaces.js'
import type { Network, PacketSender } from '../../src/net/network.js'
import { readU16, readU32 } from '../../src/wire/bytes.js'
import { COMMAND_HEADER_BYTES, commandSource } from '../../src/wire/command.js'
import { EVENT_HEADER_BYTES, eventSourceSequence, eventType } from '../../src/wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../../src/wire/moldudp64.js'
import { EFFECT_DONE, effectDoneCodec } from '../../src/wire/runtime-events.js'
import { ORDER, REPLY } from './desk.js'
import type { Death, Point, ReplicaPlan } from './points.js'

const TYPES: Readonly<Partial<Record<Point, number>>> = {
  'reply-decided': REPLY,
  'reply-sent': REPLY,
  'reply-late': REPLY,
  'order-decided': ORDER,
  'order-sent': ORDER,
  'order-late': ORDER,
  'report-decided': EFFECT_DONE,
  'report-late': EFFECT_DONE,
}

export class Trap {
  readonly #plan: ReplicaPlan
  /** The newest command of each source that went out from here: one that is sent again is no occasion. */
  readonly #newest = new Map<number, number>()
  #occasions = 0
  #isArmed = true

  constructor(plan: ReplicaPlan) {
    this.#plan = plan
  }

  disarm(): void {
    this.#isArmed = false
  }

  /** An effect has been done. */
  done(kind: 'published' | 'stable', n: number): void {
    if (this.#plan.point === `${kind}-effect-done` && this.#isDue()) this.#die(n, '')
  }

  /** The network with a look at what is sent to one group. */
  network(below: Network, group: GroupAddress): Network {
    return {
      ...below,
      openMulticastSender: async (options) => {
        const sender = await below.openMulticastSender(options)
        return options.group === group.group && options.port === group.port ? this.#tap(sender) : sender
      },
    }
  }

  #tap(sender: PacketSender): PacketSender {
    return {
      counters: sender.counters,
      get congested() {
        return sender.congested
      },
      send: (packet) => {
        const n = this.#occasion(packet)
        if (n === undefined) {
          sender.send(packet)
          return
        }
        // A lone datagram is with the kernel when `send` returns.
        if (this.#plan.point.endsWith('-sent')) sender.send(packet)
        this.#die(n, this.#plan.point.endsWith('-late') ? Buffer.from(packet).toString('base64') : '')
      },
      close: () => sender.close(),
    }
  }

  /** @returns the number of the newest command of the kind in the packet, where this is the occasion to die */
  #occasion(packet: Uint8Array): number | undefined {
    const source = commandSource(packet)
    const type = TYPES[this.#plan.point]
    const newest = this.#newest.get(source) ?? 0
    let last = newest
    let n: number | undefined
    for (let at = COMMAND_HEADER_BYTES; source !== 0 && at + BLOCK_LENGTH_BYTES < packet.length; ) {
      const event = at + BLOCK_LENGTH_BYTES
      const end = event + readU16(packet, at)
      const number = eventSourceSequence(packet, event)
      if (number > newest && eventType(packet, event) === type) n = numberOf(packet, event, end)
      last = Math.max(last, number)
      at = end
    }
    this.#newest.set(source, last)
    return n !== undefined && this.#isDue() ? n : undefined
  }

  #isDue(): boolean {
    return this.#isArmed && ++this.#occasions >= this.#plan.after
  }

  #die(n: number, late: string): void {
    const { instance, point } = this.#plan
    const death: Death = { instance, point, n, atMs: performance.timeOrigin + performance.now(), late }
    writeSync(1, `${JSON.stringify(death)}\n`)
    process.kill(process.pid, 'SIGKILL')
  }
}

function numberOf(packet: Uint8Array, event: number, end: number): number {
  const payload = event + EVENT_HEADER_BYTES
  if (eventType(packet, event) !== EFFECT_DONE) return readU32(packet, payload)
  return effectDoneCodec.decode(packet.subarray(payload, end))?.sequence ?? 0
}
