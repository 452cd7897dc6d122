/**
 * Puts the seeded fault filter between a socket and a machine. Without faults there is nothing in between.
 */
import { Prng } from '../core/prng.js'
import { FaultFilter } from '../protocol/fault-filter.js'
import type { Agent, DutyCycle } from './duty-cycle.js'
import type { SeededFaults } from './options.js'

type Emit = (packet: Uint8Array) => void

/** @returns what the socket should call with each packet */
export function withFaults(
  faults: SeededFaults | undefined,
  stream: string,
  cycle: DutyCycle,
  receive: (packet: Uint8Array, nowUs: number) => void,
): Emit {
  if (faults === undefined) {
    return (packet) => {
      receive(packet, cycle.receive())
      cycle.fed()
    }
  }
  const filter = new FaultFilter<Uint8Array>(faults, new Prng(faults.seed + streamNumber(stream)))
  const emit: Emit = (packet) => receive(packet, cycle.enter())
  const agent: Agent = {
    flush: () => {},
    tick: (nowUs) => filter.tick(nowUs, emit),
  }
  cycle.add(agent)
  return (packet) => filter.push(packet, cycle.enter(), emit)
}

/** Each stream of a process gets other faults from the same seed. */
function streamNumber(stream: string): number {
  let hash = 0
  for (let i = 0; i < stream.length; i++) hash = (Math.imul(hash, 31) + stream.charCodeAt(i)) | 0
  return hash >>> 0
}
