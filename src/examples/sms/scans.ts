/**
 * A file of scans: JSON Lines, `{"scan":"arrived","shipment":"S1","facility":"LEJ"}` for example. The number of the line is the key
 * of the scan.
 */
import { readFile } from 'node:fs/promises'
import { SeqcastError } from 'seqcast'

export type Scan =
  | { readonly scan: 'expected'; readonly shipment: string; readonly from: string; readonly to: string }
  | { readonly scan: 'arrived'; readonly shipment: string; readonly facility: string; readonly damaged: boolean }
  | { readonly scan: 'handed-over'; readonly shipment: string }

/** @throws SeqcastError E_FILE where it can't be read, E_FILE_FORMAT with the line that is no scan */
export async function readScans(path: string): Promise<Scan[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new SeqcastError('E_FILE', `${path} can't be read`, { cause: error, fields: { path } })
  }
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line, i) => {
    const scan = parseScan(line)
    if (scan !== undefined) return scan
    throw new SeqcastError('E_FILE_FORMAT', `${path}, line ${i + 1} is no scan: ${line.slice(0, 200)}`, {
      hint: 'a scan is like {"scan":"arrived","shipment":"S1","facility":"LEJ"}',
      fields: { path, line: i + 1 },
    })
  })
}

export function parseScan(line: string): Scan | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  if (!isRecord(value) || typeof value.shipment !== 'string' || value.shipment === '') return undefined
  const { scan, shipment, from, to, facility, damaged = false } = value
  if (scan === 'expected') {
    return typeof from === 'string' && typeof to === 'string' ? { scan, shipment, from, to } : undefined
  }
  if (scan === 'arrived') {
    if (typeof facility !== 'string' || typeof damaged !== 'boolean') return undefined
    return { scan, shipment, facility, damaged }
  }
  return scan === 'handed-over' ? { scan, shipment } : undefined
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
