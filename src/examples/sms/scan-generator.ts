/** Scans of shipments that follow their routes, drawn from a seed: the same seed, the same scans. */
import { readFile } from 'node:fs/promises'
import { Prng, SeqcastError } from 'seqcast'
import { addRoute, nextLeg, type Routes } from './network.js'
import type { Scan } from './scans.js'

export interface GenerateOptions {
  readonly scans: number
  /** So many shipments are under way at any time. */
  readonly live: number
  readonly seed: number
}

/** One of so many shipments arrives damaged, and one of so many scans is of a shipment that nobody expects. */
const DAMAGED_ONE_IN = 40
const UNKNOWN_ONE_IN = 200

interface UnderWay {
  readonly shipment: string
  readonly to: string
  /** The facility of its next scan; it is handed over after the last one. */
  next: string | undefined
}

/** The routes of a file of static events. @throws SeqcastError E_FILE_FORMAT */
export async function readRoutes(path: string): Promise<Routes> {
  const routes: Routes = new Map()
  for (const line of (await readFile(path, 'utf8')).split('\n')) {
    if (line === '') continue
    const { name, payload } = JSON.parse(line)
    if (name === 'RouteAdded') addRoute(routes, payload.from, payload.to, payload.minutes)
  }
  if (routes.size > 0) return routes
  throw new SeqcastError('E_FILE_FORMAT', `${path} has no routes`, { fields: { path } })
}

export function generateScans(routes: Routes, { scans: count, live, seed }: GenerateOptions): Scan[] {
  const random = new Prng(seed)
  const places = [...routes.keys()]
  const pick = (): string => places[random.integer(0, places.length - 1)] ?? ''
  const scans: Scan[] = []
  const underWay: UnderWay[] = []
  let expected = 0
  while (scans.length < count) {
    if (underWay.length < live) {
      const shipment = `S${String(++expected).padStart(7, '0')}`
      const [from, to] = [pick(), pick()]
      underWay.push({ shipment, to, next: from })
      scans.push({ scan: 'expected', shipment, from, to })
      continue
    }
    if (random.integer(1, UNKNOWN_ONE_IN) === 1) {
      scans.push({ scan: 'arrived', shipment: `X${scans.length}`, facility: pick(), damaged: false })
      continue
    }
    const index = random.integer(0, underWay.length - 1)
    const one = underWay[index]
    if (one === undefined) break
    const scan = nextScan(one, routes, random)
    scans.push(scan)
    if (scan.scan === 'handed-over' || (scan.scan === 'arrived' && scan.damaged)) underWay.splice(index, 1)
  }
  return scans
}

function nextScan(one: UnderWay, routes: Routes, random: Prng): Scan {
  const { shipment, to, next: facility } = one
  if (facility === undefined) return { scan: 'handed-over', shipment }
  const damaged = random.integer(1, DAMAGED_ONE_IN) === 1
  one.next = facility === to ? undefined : nextLeg(routes, facility, to)?.to
  return { scan: 'arrived', shipment, facility, damaged }
}
