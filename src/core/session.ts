/**
 * Session ids: ten ASCII characters on the wire (MoldUDP64 and SoupBinTCP agree on that). Shorter ids are padded with
 * spaces, on the right in MoldUDP64 packets; SoupBinTCP pads on the left. Comparing trimmed ids makes both equal.
 */
import { SeqcastError } from './errors.js'
import { SESSION_BYTES } from './limits.js'

/** True for 1 to 10 letters and digits. */
export function isSession(text: string): boolean {
  return /^[A-Za-z0-9]{1,10}$/.test(text)
}

/** A session id as a user writes it: 1 to 10 letters and digits. @throws SeqcastError E_CONFIG */
export function parseSession(text: string): string {
  if (!isSession(text)) {
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

/**
 * The id of the session that follows, where nobody names another one: digits at the end are counted on, a capital after a digit becomes
 * the next one, and otherwise a 2 is appended.
 * @returns undefined where that is longer than an id may be
 */
export function followingSession(session: string): string | undefined {
  const next = counted(session)
  return next.length <= SESSION_BYTES ? next : undefined
}

function counted(session: string): string {
  const digits = /\d+$/.exec(session)?.[0]
  if (digits !== undefined) {
    return session.slice(0, -digits.length) + String(BigInt(digits) + 1n).padStart(digits.length, '0')
  }
  const capital = /(?<=\d)[A-Y]$/.exec(session)?.[0]
  if (capital === undefined) return `${session}2`
  return session.slice(0, -1) + String.fromCharCode(capital.charCodeAt(0) + 1)
}
