/**
 * Loaded into a process of the suite before the program (`node --import`): looks at each datagram that it sends or gets, and kills the
 * process at its point, without a word to anybody. The program knows nothing of it.
 */
import { Socket } from 'node:dgram'
import { readFileSync, writeFileSync } from 'node:fs'
import { readU16 } from '../../src/wire/bytes.js'
import { EVENT_HEADER_BYTES } from '../../src/wire/event.js'
import { BLOCK_LENGTH_BYTES, MOLD_HEADER_BYTES } from '../../src/wire/moldudp64.js'
import { deathFile, POINTS, type Trap, trapFile } from './points.js'

const SESSION_BYTES = 10
const directory = process.env.SEQCAST_TRAPS ?? ''
const interesting = new Set(POINTS.flatMap(({ types }) => types))

const { send, emit } = Socket.prototype

// One parameter list for all the ways to call it, which are passed on as they are.
Socket.prototype.send = function (this: Socket, ...args: unknown[]): void {
  const [packet] = args
  const trap = packet instanceof Uint8Array ? trapOf(packet, 'send') : undefined
  if (trap?.point.when === 'before') die(trap)
  Reflect.apply(send, this, args)
  // A lone datagram is with the kernel when `send` returns.
  if (trap !== undefined) die(trap)
}

Socket.prototype.emit = function (this: Socket, ...args: unknown[]): boolean {
  const [name, packet] = args
  const trap = name === 'message' && packet instanceof Uint8Array ? trapOf(packet, 'receive') : undefined
  if (trap?.point.when === 'before') die(trap)
  const result = Reflect.apply(emit, this, args)
  // What the packet has set off is sent at the end of the turn.
  if (trap !== undefined) setImmediate(() => setImmediate(() => die(trap)))
  return result
}

function trapOf(packet: Uint8Array, way: 'send' | 'receive'): Trap | undefined {
  if (packet.length < MOLD_HEADER_BYTES + BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES) return undefined
  let trap: Trap | undefined
  for (const type of typesOf(packet)) {
    if (!interesting.has(type)) continue
    trap ??= readTrap()
    if (trap === undefined) return undefined
    const { point, session } = trap
    if (point.way === way && point.types.includes(type) && sessionOf(packet) === session) return trap
  }
  return undefined
}

/** Of the events in it; packets of the control stream are none, and give numbers that mean nothing. */
function* typesOf(packet: Uint8Array): Generator<number> {
  for (let at = MOLD_HEADER_BYTES; at + BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES <= packet.length; ) {
    yield readU16(packet, at + BLOCK_LENGTH_BYTES)
    at += BLOCK_LENGTH_BYTES + readU16(packet, at)
  }
}

function sessionOf(packet: Uint8Array): string {
  return String.fromCharCode(...packet.subarray(0, SESSION_BYTES)).trimEnd()
}

function readTrap(): Trap | undefined {
  try {
    return JSON.parse(readFileSync(trapFile(directory, process.pid), 'utf8'))
  } catch {
    return undefined
  }
}

function die({ point }: Trap): never {
  writeFileSync(deathFile(directory, process.pid), JSON.stringify({ pid: process.pid, point: point.name }))
  process.kill(process.pid, 'SIGKILL')
  // The signal comes at once; nothing may happen until then.
  for (;;);
}
