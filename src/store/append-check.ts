/** What every log asks of a run that is appended. Anything else is a programmer's error. */
import { MAX_PACKET_COUNT, MAX_SEQUENCE, STORE_PENDING_PACKETS } from '../core/limits.js'

/** @throws Error, RangeError */
export function checkAppend(
  log: { readonly nextSequence: number; readonly pendingPackets: number },
  sequence: number,
  count: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  if (sequence !== log.nextSequence) throw new Error(`append of ${sequence} where ${log.nextSequence} is next`)
  if (!(count >= 1 && count <= MAX_PACKET_COUNT && start >= 0 && end > start && end <= bytes.length)) {
    throw new RangeError(`append of ${count} events in bytes ${start} to ${end} of ${bytes.length}`)
  }
  if (sequence + count - 1 > MAX_SEQUENCE) throw new RangeError(`append of ${sequence} leaves the safe integers`)
  if (log.pendingPackets >= STORE_PENDING_PACKETS) throw new Error('append with too many packets pending')
}
