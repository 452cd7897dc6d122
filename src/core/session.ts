/**
 * Session ids: ten ASCII characters on the wire (MoldUDP64 and SoupBinTCP agree on that). Shorter ids are padded with
 * spaces, on the right in MoldUDP64 packets; SoupBinTCP pads on the left. Comparing trimmed ids makes both equal.
 */
import { SeqcastError } from './errors.js'
import { SESSION_BYTES } from './limits.js'

/** A session id as a user writes it: 1 to 10 letters and digits. @throws SeqcastError E_CONFIG */
export function parseSession(text: string): string {
  if (!/^[A-Za-z0-9]{1,10}$/.test(text)) {
    throw new SeqcastError('E_CONFIG', `session '${text}' is not 1 to 10 letters and digits`, {
      hint: 'choose an id such as 20261120A',
    })
  }
  return text
}

/** The ten bytes of an id, padded with spaces on the right. */
export function sessionBytes(session: string): Uint8Array {
  const bytes = new Uint8Array(SESSION_BYTES).fill(0x20)
  for (let i = 0; i < session.length && i < SESSION_BYTES; i++) bytes[i] = session.charCodeAt(i) & 0x7f
  return bytes
}
