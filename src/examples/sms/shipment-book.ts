/**
 * What scans come to, as a sequential program says it: one scan after the other, with nothing between them that could be late or lost. The audit
 * holds the streams of events against it.
 */
import type { ShipmentCarried, SmsMessages } from './generated/sms.js'
import { nextLeg, type Routes } from './network.js'
import type { Scan } from './scans.js'

type AnswerName =
  | 'ShipmentAccepted'
  | 'ShipmentRejected'
  | 'ShipmentDelivered'
  | 'ScanRefused'
  | 'ShipmentInTransit'
  | 'ShipmentOutForDelivery'
  | 'RouteMissing'

/** An event that must follow from a scan. */
export type Answer = {
  [N in AnswerName]: { readonly name: N; readonly payload: SmsMessages[N] }
}[AnswerName]

/** All that is carried over of a shipment but when it is late, which is a matter of the clock. */
export type LiveShipment = Omit<ShipmentCarried, 'lateUs'>

export class ShipmentBook {
  readonly #routes: Routes
  readonly #live = new Map<string, LiveShipment>()

  constructor(routes: Routes) {
    this.#routes = routes
  }

  /** Those that have not come to their end. */
  get live(): ReadonlyMap<string, Readonly<LiveShipment>> {
    return this.#live
  }

  /** @returns the events that must follow, in their order */
  scan(key: number, scan: Scan): Answer[] {
    const { shipment } = scan
    const known = this.#live.get(shipment)
    if (scan.scan === 'expected') return this.#expect(key, scan)
    if (known === undefined) return [refused(key, shipment, 'it is not known')]
    if (scan.scan === 'arrived') return this.#arrive(key, scan, known)
    if (known.at !== known.to) return [refused(key, shipment, `it has not reached ${known.to}`)]
    this.#live.delete(shipment)
    return [{ name: 'ShipmentDelivered', payload: { key, shipment, facility: known.at } }]
  }

  /** The router has said where it goes; a scan that came before that has said more. */
  routed({ shipment, from, to }: { readonly shipment: string; readonly from: string; readonly to: string }): void {
    const known = this.#live.get(shipment)
    if (known?.status !== 'ACCEPTED' || known.at !== from) return
    known.status = to === '' ? 'OUT_FOR_DELIVERY' : 'IN_TRANSIT'
    known.next = to
  }

  #expect(key: number, { shipment, from, to }: Extract<Scan, { scan: 'expected' }>): Answer[] {
    if (this.#live.has(shipment)) return [refused(key, shipment, 'it is expected already')]
    const unknown = [from, to].find((code) => !this.#routes.has(code))
    if (unknown !== undefined) return [rejected(key, shipment, `there is no facility ${unknown}`)]
    this.#live.set(shipment, { shipment, from, to, status: 'EXPECTED', at: '', scans: 1, next: '' })
    return []
  }

  #arrive(key: number, scan: Extract<Scan, { scan: 'arrived' }>, known: LiveShipment): Answer[] {
    const { shipment, facility, damaged } = scan
    const { to } = known
    if (!this.#routes.has(facility)) return [refused(key, shipment, `there is no facility ${facility}`)]
    if (damaged) {
      this.#live.delete(shipment)
      return [rejected(key, shipment, `damaged at ${facility}`)]
    }
    Object.assign(known, { status: 'ACCEPTED', at: facility, scans: known.scans + 1, next: '' })
    const accepted: Answer = { name: 'ShipmentAccepted', payload: { key, shipment, facility, to } }
    if (facility === to) return [accepted, { name: 'ShipmentOutForDelivery', payload: { key, shipment, facility } }]
    const leg = nextLeg(this.#routes, facility, to)
    if (leg === undefined) return [accepted, { name: 'RouteMissing', payload: { key, shipment, facility, to } }]
    const { to: next, minutes } = leg
    return [accepted, { name: 'ShipmentInTransit', payload: { key, shipment, from: facility, to: next, minutes } }]
  }
}

function refused(key: number, shipment: string, reason: string): Answer {
  return { name: 'ScanRefused', payload: { key, shipment, reason } }
}

function rejected(key: number, shipment: string, reason: string): Answer {
  return { name: 'ShipmentRejected', payload: { key, shipment, reason } }
}
