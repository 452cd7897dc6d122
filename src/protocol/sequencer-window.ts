/**
 * How much the sequencer's window holds, and what room must be left in it: commands are held back while less is left than a
 * command packet may need, so that the sequencer's own words (the opening of an epoch, the end of the session) always fit.
 */
import { WINDOW_BYTES, WINDOW_PACKETS } from '../core/limits.js'
import { EventWindow } from './event-window.js'
import type { SequencerOptions } from './sequencer-types.js'

/** Packets that one command packet can become, the open one included: less room than this holds commands back. */
const RESERVED_PACKETS = 3
/** Always left: the end of the session can be said. */
const END_PACKETS = 1
/**
 * Left on top of that while commands are accepted: a successor that adopts a window which was full must fit its opening event,
 * too, without overwriting what only it may still have.
 */
const OPENING_PACKETS = 4

/** @throws Error where the options leave no room for a command packet */
export function createWindow(options: SequencerOptions, packetBytes: number): EventWindow {
  const packets = options.windowPackets ?? WINDOW_PACKETS
  const bytes = options.windowBytes ?? WINDOW_BYTES
  if (packets <= RESERVED_PACKETS || bytes <= RESERVED_PACKETS * packetBytes) {
    throw new Error('the window is too small for one command packet')
  }
  const spare = END_PACKETS + OPENING_PACKETS
  return new EventWindow(packets + spare, Math.min(bytes, packets * packetBytes) + spare * packetBytes)
}

/** Room for whatever one command packet becomes, and for what the sequencer itself must be able to say. */
export function hasRoomForCommands(window: EventWindow, packetBytes: number): boolean {
  const packets = RESERVED_PACKETS + END_PACKETS + OPENING_PACKETS
  return window.hasRoom(packets, packets * packetBytes)
}

/** Holds what a reign has adopted and does not know to be stable, so that voters can fetch it; its opening and its end still fit. */
export function protectAdopted(window: EventWindow, stableSequence: number, packetBytes: number): void {
  const packets = END_PACKETS + 1
  window.protect(stableSequence, packets, packets * packetBytes)
}
