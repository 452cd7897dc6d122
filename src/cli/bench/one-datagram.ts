/**
 * A payload of a bench has to fit one datagram, beside the headers and the room of a tag: a store appends whole packets, and of a message
 * in fragments each one comes back as a command of its own, which is no round trip of the message.
 */
import { SeqcastError } from '../../core/errors.js'
import { AUTH_TAG_BYTES } from '../../core/limits.js'
import { fragmentBytes } from '../../wire/event.js'
import { MOLD_HEADER_BYTES } from '../../wire/moldudp64.js'

/** @throws SeqcastError E_CONFIG, naming both flags */
export function requireOneDatagram(bytes: number, datagram: number): void {
  const room = fragmentBytes(datagram, MOLD_HEADER_BYTES, AUTH_TAG_BYTES)
  if (bytes <= room) return
  const message = `--bytes ${bytes} does not fit one datagram of --datagram ${datagram}, which has room for ${room}`
  throw new SeqcastError('E_CONFIG', message, {
    hint: `lower --bytes, or raise --datagram to ${datagram + bytes - room}`,
    fields: { bytes, datagram, room },
  })
}
