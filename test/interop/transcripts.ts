/**
 * Packets written by hand, byte by byte, from Nasdaq's documents (MoldUDP64 1.00 of 2009-07-07, SoupBinTCP 3.00, BinaryFILE
 * 1.00). No code of ours had a part in them; spaces only group the fields.
 */
export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s+/g, ''), 'hex'))

/** MoldUDP64, session 'MOLD64TEST' or 'S1'. */
export const MOLD = {
  /** Sequence 1, two messages: 'hello' and one of no bytes. */
  twoMessages: hex(`4d4f4c44363454455354 0000000000000001 0002  0005 68656c6c6f  0000`),
  /** A short session is padded with spaces; sequence 4,294,967,296 needs the upper half; one message of three bytes. */
  beyond32Bits: hex(`53312020202020202020 0000000100000000 0001  0003 01ff00`),
  /** Count 0: the next sequence is 3. */
  heartbeat: hex(`4d4f4c44363454455354 0000000000000003 0000`),
  /** Count 0xFFFF: the session is over, 3 would have been next. */
  endOfSession: hex(`4d4f4c44363454455354 0000000000000003 ffff`),
  /** Please send 200 messages from 258 on. */
  request: hex(`4d4f4c44363454455354 0000000000000102 00c8`),
}

/** SoupBinTCP, in the order of a session. */
export const SOUP = {
  /** 'L': user 'bob', password 'secret', session 'S1' padded on the left, from sequence 42. */
  loginRequest: hex(`002f 4c  626f62202020  73656372657420202020  20202020202020205331
    2020202020202020202020202020202020203432`),
  /** 'L' with nothing but blanks and sequence 0: the current session, newest message. */
  loginRequestBlank: hex(`002f 4c  202020202020  20202020202020202020  20202020202020202020
    2020202020202020202020202020202020202030`),
  /** 'A': session 'S1', next sequence 42. */
  loginAccepted: hex(`001f 41  20202020202020205331  2020202020202020202020202020202020203432`),
  /** 'J' with 'A' and with 'S'. */
  notAuthorised: hex(`0002 4a 41`),
  sessionNotAvailable: hex(`0002 4a 53`),
  /** 'S' with 'hi', and one of no bytes. */
  sequenced: hex(`0003 53 6869`),
  sequencedEmpty: hex(`0001 53`),
  /** 'U' with one byte. */
  unsequenced: hex(`0002 55 07`),
  /** '+' with 'note'. */
  debug: hex(`0005 2b 6e6f7465`),
  serverHeartbeat: hex(`0001 48`),
  clientHeartbeat: hex(`0001 52`),
  endOfSession: hex(`0001 5a`),
  logout: hex(`0001 4f`),
}

/** BinaryFILE: 'hello', one byte, 256 bytes of 0x61, the end. */
export const BINARYFILE = hex(`0005 68656c6c6f  0001 ff  0100 ${'61'.repeat(256)}  0000`)
