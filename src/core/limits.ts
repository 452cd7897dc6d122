/**
 * Every bound of the system, with the reason for it, and their relations checked when the module loads. A bound that is
 * reached is a counter or an error, never growth.
 */

/** Largest UDP payload over IPv4: 65,535 less 20 (IP) less 8 (UDP). */
export const MAX_DATAGRAM_BYTES = 65_507
/** Smallest that still makes sense: headers plus a useful payload. */
export const MIN_DATAGRAM_BYTES = 256
/** Fits an Ethernet frame of 1,500 with room for tunnels. */
export const DEFAULT_DATAGRAM_BYTES = 1_400
/** The authentication tag that may follow the last block. Its room is always reserved, so that keys do not change fragment sizes. */
export const AUTH_TAG_BYTES = 16
/** A block's length is a u16. */
export const MAX_BLOCK_BYTES = 65_535
/** A MoldUDP64 count; 0xFFFF means end of session, so a packet holds at most one less. */
export const MAX_PACKET_COUNT = 0xfffe
/** Sequences are JavaScript safe integers. */
export const MAX_SEQUENCE = Number.MAX_SAFE_INTEGER
/** Source numbers are u16; 0 is the sequencer itself. */
export const MAX_SOURCE = 0xffff
/** Epochs are u16. */
export const MAX_EPOCH = 0xffff
/** One claim asks for the next epoch, or a little more where rivals did too: one that is this far ahead uses up epochs, and is refused. */
export const MAX_EPOCH_STEP = 1_000
/** Source sequences are u32; an outbox stops well before, and says so. */
export const MAX_SOURCE_SEQUENCE = 0xffff_fff0
/** A message longer than this is refused at the sender: it would hold partial state on every replica. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024
/** Names of sources, components, instances. */
export const MAX_NAME_BYTES = 64
/** Session ids are ten bytes on the wire. */
export const SESSION_BYTES = 10

/** The sequencer's window of what is not yet stable, in packets and in bytes; reaching either holds commands back. */
export const WINDOW_PACKETS = 16_384
export const WINDOW_BYTES = 64 * 1024 * 1024
/** A receiver's reorder buffer, in packets. */
export const REORDER_PACKETS = 4_096
/** The same in bytes: full jumbo datagrams would else hold a quarter of a gigabyte. */
export const REORDER_BYTES = 64 * 1024 * 1024
/** A gap wider than this, in events, is filled by rewind over TCP instead of requests. */
export const GAP_REWIND_EVENTS = 20_000
/** Commands that an outbox keeps until they are stable; a caller that sends more waits. */
export const OUTBOX_COMMANDS = 65_536
/** Commands in flight: sent and not yet seen as events. */
export const OUTBOX_IN_FLIGHT = 8_192
/** Commands that handlers issued and that are not yet stable: nobody can await there, so the bound is wide, and fatal. */
export const COMPONENT_COMMANDS = 1_048_576
/** Timers that one component may have pending. */
export const COMPONENT_TIMERS = 1_000_000
/** Effects that one component may owe: triggered, and not yet closed by an `EffectDone`. */
export const COMPONENT_EFFECTS = 1_000_000
/** Bytes of messages of which a component has seen some fragments and not the last, over all sources. */
export const COMPONENT_PARTIAL_BYTES = 64 * 1024 * 1024
/** Bytes of a checkpoint: it is read into memory whole. A state that is larger keeps its tables in files of its own. */
export const CHECKPOINT_BYTES = 1024 * 1024 * 1024
/** A request is answered with at most this many packets; the rest is asked for again. */
export const RETRANSMIT_BURST_PACKETS = 64
/** Bytes a client of the rewind server may have outstanding before reading from the log pauses. */
export const REWIND_BUFFER_BYTES = 1024 * 1024
/** Writes a store may have outstanding; lmdb blocks its thread far above (300,000). */
export const STORE_PENDING_PACKETS = 32_768
/** With more than this outstanding a rewind has to wait: its runs are long (64 KiB), and come as fast as they are read. */
export const STORE_REWIND_PENDING_PACKETS = 512

function require(condition: boolean, what: string): void {
  if (!condition) throw new Error(`limits: ${what}`)
}

require(DEFAULT_DATAGRAM_BYTES >= MIN_DATAGRAM_BYTES &&
  DEFAULT_DATAGRAM_BYTES <= MAX_DATAGRAM_BYTES, 'datagram default')
require(MAX_DATAGRAM_BYTES <= MAX_BLOCK_BYTES, 'a block fits a u16 whenever its datagram is possible')
require(OUTBOX_IN_FLIGHT <= OUTBOX_COMMANDS, 'commands in flight are in the outbox')
require(MAX_SOURCE_SEQUENCE < 0xffff_ffff, 'a source stops before its numbers wrap')
require(RETRANSMIT_BURST_PACKETS <= REORDER_PACKETS, 'an answer fits the reorder buffer')
require(COMPONENT_PARTIAL_BYTES >= MAX_MESSAGE_BYTES, 'a whole message can be put together')
require(STORE_REWIND_PENDING_PACKETS < STORE_PENDING_PACKETS, 'a rewind waits before a store gives up')
require(WINDOW_BYTES >= MAX_MESSAGE_BYTES, 'a whole message fits the window')
