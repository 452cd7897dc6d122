/**
 * Whether the file of an environment can be mapped at all. lmdb trusts it: with a first page that is none, or pages that the file is too
 * short for, the process ends without a word.
 *
 * The first two pages of the file are its meta pages, written in turn: 24 bytes on, magic u32, format u32, address u64, size u64, two tables of
 * 48 bytes (the first word of the first: bytes of a page), last page u64, transaction u64; in the byte order of the machine.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { endianness } from 'node:os'
import { join } from 'node:path'

const MAGIC = 0xbeef_c0de
const META_AT = 24
const PAGE_BYTES_AT = META_AT + 24
const LAST_PAGE_AT = META_AT + 120
const TRANSACTION_AT = META_AT + 128
const META_BYTES = META_AT + 136
const MAX_PAGE_BYTES = 65_536

/** @returns what is wrong with the environment at `path`; undefined where nothing is, or nothing is there */
export function problemOfEnvironment(path: string): string | undefined {
  const file = join(path, 'data.mdb')
  if (!existsSync(file)) return undefined
  const handle = openSync(file, 'r')
  try {
    const { size } = fstatSync(handle)
    if (size === 0) return undefined // It was about to be made.
    const first = readMeta(handle, 0)
    if (first === undefined) return 'its first page is damaged'
    const second = readMeta(handle, first.pageBytes)
    if (second === undefined) return 'its second page is damaged'
    const { lastPage, pageBytes } = second.transaction > first.transaction ? second : first
    const needed = (lastPage + 1) * pageBytes
    return size < needed ? `it has ${size} bytes of ${needed}` : undefined
  } finally {
    closeSync(handle)
  }
}

interface Meta {
  readonly pageBytes: number
  readonly lastPage: number
  readonly transaction: number
}

function readMeta(handle: number, at: number): Meta | undefined {
  const bytes = new DataView(new ArrayBuffer(META_BYTES))
  const isLittle = endianness() === 'LE'
  if (readSync(handle, bytes, 0, META_BYTES, at) < META_BYTES) return undefined
  const u64 = (offset: number): number => Number(bytes.getBigUint64(offset, isLittle))
  const pageBytes = bytes.getUint32(PAGE_BYTES_AT, isLittle)
  const isMeta = bytes.getUint32(META_AT, isLittle) === MAGIC
  const isPageSize = pageBytes >= META_BYTES && pageBytes <= MAX_PAGE_BYTES && (pageBytes & (pageBytes - 1)) === 0
  return isMeta && isPageSize ? { pageBytes, lastPage: u64(LAST_PAGE_AT), transaction: u64(TRANSACTION_AT) } : undefined
}
