/** Spans of time and amounts of bytes as a person writes them. */
import { SeqcastError } from '../core/errors.js'

const SECONDS_OF: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 }
const BYTES_OF: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
}

/** `30d`, `12h`, `90m`, `45s`, `2w`: in seconds. @throws SeqcastError E_CONFIG, naming the flag */
export function parseSpan(flag: string, text: string): number {
  const [, number = '', unit = ''] = /^([0-9]+(?:\.[0-9]+)?)([smhdw])$/.exec(text.trim()) ?? []
  const seconds = Number(number) * (SECONDS_OF[unit] ?? Number.NaN)
  if (number !== '' && Number.isFinite(seconds)) return seconds
  throw wrong(flag, text, 'a span of time such as 30d, 12h, 90m, 45s or 2w')
}

/** `100GB`, `1.5TiB`, `5000`: in bytes. @throws SeqcastError E_CONFIG, naming the flag */
export function parseBytes(flag: string, text: string): number {
  const [, number = '', unit = ''] = /^([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)$/.exec(text.trim()) ?? []
  const bytes = Number(number) * (BYTES_OF[unit.toLowerCase()] ?? Number.NaN)
  if (number !== '' && Number.isFinite(bytes)) return bytes
  throw wrong(flag, text, 'an amount such as 100GB, 1.5TiB or 5000 (bytes)')
}

/** `22.8 MB`, `1.5 GB`. */
export function bytesText(bytes: number): string {
  const [unit, size] = bytes >= 1e12 ? ['TB', 1e12] : bytes >= 1e9 ? ['GB', 1e9] : ['MB', 1e6]
  return `${(bytes / size).toFixed(1)} ${unit}`
}

function wrong(flag: string, text: string, allowed: string): SeqcastError {
  return new SeqcastError('E_CONFIG', `${flag} is ${JSON.stringify(text)}, and must be ${allowed}`, {
    hint: 'see seqcast COMMAND --help',
    fields: { flag },
  })
}
