/**
 * SoupBinTCP 3.00, as published by Nasdaq: the stream over TCP, from any sequence, in order and without loss.
 *
 * A packet is length u16 (of what follows), type u8, payload. Text fields are ASCII padded with spaces; numbers in them
 * are decimal text, padded on the left.
 *
 * | type | sender | payload |
 * |---|---|---|
 * | `+` debug | both | text |
 * | `A` login accepted | server | session 10, sequence of the next sequenced message 20 |
 * | `J` login rejected | server | reason 1: `A` not authorised, `S` session not available |
 * | `S` sequenced data | server | message; its sequence is counted, not sent |
 * | `U` unsequenced data | both | message |
 * | `H` server heartbeat | server | - |
 * | `Z` end of session | server | - |
 * | `L` login request | client | username 6, password 10, session 10 (blank: the current one), sequence 20 (0: the newest) |
 * | `R` client heartbeat | client | - |
 * | `O` logout request | client | - |
 */
import { readAscii, readU16, writeAscii, writeU16 } from './bytes.js'

export const SOUP_HEADER_BYTES = 3
export const SOUP_LENGTH_BYTES = 2

export const SOUP_DEBUG = 0x2b // +
export const SOUP_LOGIN_ACCEPTED = 0x41 // A
export const SOUP_LOGIN_REJECTED = 0x4a // J
export const SOUP_SEQUENCED = 0x53 // S
export const SOUP_UNSEQUENCED = 0x55 // U
export const SOUP_SERVER_HEARTBEAT = 0x48 // H
export const SOUP_END_OF_SESSION = 0x5a // Z
export const SOUP_LOGIN_REQUEST = 0x4c // L
export const SOUP_CLIENT_HEARTBEAT = 0x52 // R
export const SOUP_LOGOUT = 0x4f // O

export const LOGIN_REQUEST_PAYLOAD_BYTES = 46
export const LOGIN_ACCEPTED_PAYLOAD_BYTES = 30
/** Either side sends a heartbeat when it has sent nothing for this long. */
export const SOUP_HEARTBEAT_MS = 1_000
/** A peer that was silent for this long is gone. */
export const SOUP_SILENCE_MS = 15_000
/** The largest payload that a packet can carry: its u16 length counts the type byte too. */
export const SOUP_MAX_PAYLOAD_BYTES = 0xffff - 1

export type LoginRejectReason = 'not-authorised' | 'session-not-available'

export interface LoginRequest {
  readonly username: string
  readonly password: string
  /** Trimmed; '' asks for the current session. */
  readonly session: string
  /** The first sequence wanted; 0 asks for the newest. */
  readonly sequence: number
}

export interface LoginAccepted {
  readonly session: string
  /** The sequence of the next sequenced message. */
  readonly sequence: number
}

/**
 * A packet with a payload.
 * @throws RangeError where the payload is longer than SOUP_MAX_PAYLOAD_BYTES: a programmer's error
 */
export function soupPacket(type: number, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  if (payload.length > SOUP_MAX_PAYLOAD_BYTES) {
    throw new RangeError(`a payload of ${payload.length} bytes is longer than ${SOUP_MAX_PAYLOAD_BYTES}`)
  }
  const packet = new Uint8Array(SOUP_HEADER_BYTES + payload.length)
  writeU16(packet, 0, payload.length + 1)
  packet[2] = type
  packet.set(payload, SOUP_HEADER_BYTES)
  return packet
}

export function loginRequestPacket(login: LoginRequest): Uint8Array {
  const payload = new Uint8Array(LOGIN_REQUEST_PAYLOAD_BYTES)
  writeAscii(payload, 0, 6, login.username)
  writeAscii(payload, 6, 10, login.password)
  writeAscii(payload, 16, 10, login.session, 'left')
  writeAscii(payload, 26, 20, String(login.sequence), 'left')
  return soupPacket(SOUP_LOGIN_REQUEST, payload)
}

export function loginAcceptedPacket(accepted: LoginAccepted): Uint8Array {
  const payload = new Uint8Array(LOGIN_ACCEPTED_PAYLOAD_BYTES)
  writeAscii(payload, 0, 10, accepted.session, 'left')
  writeAscii(payload, 10, 20, String(accepted.sequence), 'left')
  return soupPacket(SOUP_LOGIN_ACCEPTED, payload)
}

export function loginRejectedPacket(reason: LoginRejectReason): Uint8Array {
  return soupPacket(SOUP_LOGIN_REJECTED, new Uint8Array([reason === 'not-authorised' ? 0x41 : 0x53]))
}

/** Why the payload of a login packet was not accepted; each is also the name of a counter. */
export const LOGIN_REASONS = ['bad-login-length', 'bad-login-sequence'] as const
export type LoginReason = (typeof LOGIN_REASONS)[number]

/** @returns the login, or the reason why the payload is not one */
export function parseLoginRequest(payload: Uint8Array): LoginRequest | LoginReason {
  if (payload.length !== LOGIN_REQUEST_PAYLOAD_BYTES) return 'bad-login-length'
  const sequence = parseDecimal(readAscii(payload, 26, 20))
  if (sequence === undefined) return 'bad-login-sequence'
  return {
    username: readAscii(payload, 0, 6).trim(),
    password: readAscii(payload, 6, 10).trim(),
    session: readAscii(payload, 16, 10).trim(),
    sequence,
  }
}

/** @returns session and next sequence, or the reason why the payload is not a login acceptance */
export function parseLoginAccepted(payload: Uint8Array): LoginAccepted | LoginReason {
  if (payload.length !== LOGIN_ACCEPTED_PAYLOAD_BYTES) return 'bad-login-length'
  const sequence = parseDecimal(readAscii(payload, 10, 20))
  if (sequence === undefined || sequence < 1) return 'bad-login-sequence'
  return { session: readAscii(payload, 0, 10).trim(), sequence }
}

/** Decimal text padded with spaces on either side; blank is 0, as clients in the field send it. */
function parseDecimal(text: string): number | undefined {
  const digits = text.trim()
  if (!/^[0-9]{0,20}$/.test(digits)) return undefined
  const value = Number(digits)
  return Number.isSafeInteger(value) ? value : undefined
}

/** Called with each whole packet; type and payload are valid during the call. Return false to stop parsing (closed). */
export type SoupListener = (type: number, bytes: Uint8Array, payloadAt: number, payloadEnd: number) => boolean

/** Why a byte stream can't be read on; each is also the name of a counter. */
export const SOUP_REASONS = ['zero-length', 'overlong'] as const
export type SoupReason = (typeof SOUP_REASONS)[number]

/**
 * Cuts a TCP byte stream into packets. Whole packets are handed on where they lie; only what is split between two reads is
 * copied. After a reason, or after the listener has returned false, nothing more is read.
 */
export class SoupParser {
  readonly #listener: SoupListener
  readonly #maxPacketBytes: number
  #partial: Uint8Array = new Uint8Array(512)
  #partialLength = 0
  #state: 'reading' | 'stopped' | SoupReason = 'reading'

  /** @param maxPayloadBytes longer packets are refused: what a login needs is known, so a stranger cannot make us buffer */
  constructor(listener: SoupListener, maxPayloadBytes = SOUP_MAX_PAYLOAD_BYTES) {
    this.#listener = listener
    this.#maxPacketBytes = maxPayloadBytes + SOUP_HEADER_BYTES
  }

  /** @returns the reason why the stream can't be read on (again at each later call), or undefined */
  push(bytes: Uint8Array): SoupReason | undefined {
    if (this.#state === 'reading') this.#state = this.#parse(bytes)
    return this.#state === 'reading' || this.#state === 'stopped' ? undefined : this.#state
  }

  #parse(bytes: Uint8Array): 'reading' | 'stopped' | SoupReason {
    let at = 0
    while (at < bytes.length) {
      if (this.#partialLength > 0) {
        const taken = this.#complete(bytes, at)
        if (typeof taken === 'string') return taken
        at += taken
        continue
      }
      if (bytes.length - at < SOUP_LENGTH_BYTES) break
      const total = SOUP_LENGTH_BYTES + readU16(bytes, at)
      const reason = this.#checkTotal(total)
      if (reason !== undefined) return reason
      if (bytes.length - at < total) break
      if (!this.#listener(bytes[at + 2]!, bytes, at + SOUP_HEADER_BYTES, at + total)) return 'stopped'
      at += total
    }
    if (at < bytes.length) this.#keep(bytes, at, bytes.length)
    return 'reading'
  }

  /** Adds to the partial packet what it lacks. @returns how many bytes were taken, or why there is no reading on */
  #complete(bytes: Uint8Array, at: number): number | 'stopped' | SoupReason {
    const available = bytes.length - at
    if (this.#partialLength < SOUP_LENGTH_BYTES) {
      const taken = Math.min(available, SOUP_LENGTH_BYTES - this.#partialLength)
      this.#keep(bytes, at, at + taken)
      if (this.#partialLength < SOUP_LENGTH_BYTES) return taken
      // A length is judged as soon as it is known, however the stream was cut.
      return this.#checkTotal(SOUP_LENGTH_BYTES + readU16(this.#partial, 0)) ?? taken
    }
    const total = SOUP_LENGTH_BYTES + readU16(this.#partial, 0)
    const taken = Math.min(available, total - this.#partialLength)
    this.#keep(bytes, at, at + taken)
    if (this.#partialLength < total) return taken
    this.#partialLength = 0
    return this.#listener(this.#partial[2]!, this.#partial, SOUP_HEADER_BYTES, total) ? taken : 'stopped'
  }

  #checkTotal(total: number): SoupReason | undefined {
    if (total < SOUP_HEADER_BYTES) return 'zero-length'
    return total > this.#maxPacketBytes ? 'overlong' : undefined
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    const needed = this.#partialLength + end - start
    if (needed > this.#partial.length) {
      const larger = new Uint8Array(Math.max(needed, this.#partial.length * 2))
      larger.set(this.#partial.subarray(0, this.#partialLength))
      this.#partial = larger
    }
    this.#partial.set(bytes.subarray(start, end), this.#partialLength)
    this.#partialLength = needed
  }
}
