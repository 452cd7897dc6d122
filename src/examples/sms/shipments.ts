/**
 * The shipments: which there are, where each one is, and what a scan means for it.
 *
 * A scan is a fact, and facts come when they come: a shipment may be scanned at the next facility before the router has said that it
 * is on its way there. So what is decided here depends on the scans alone, in their order, and every run of one file of scans gives the
 * same answers.
 *
 * A shipment that was delivered or rejected is forgotten. All others are carried over: `seed` begins the next session with an event
 * for each, and the handler of that event brings it back. So the events of one session are all that is needed to know
 * the shipments of that session.
 */
import { type Context, defineComponent } from 'seqcast'
import { type ShipmentArrived, type ShipmentCarried, type SmsMessages, schema } from './generated/sms.js'

interface Shipment {
  from: string
  to: string
  status: ShipmentCarried['status']
  /** The facility where it was scanned last; '' before the first one. */
  at: string
  scans: number
  /** In transit: where to, and when it is late. */
  next: string
  lateUs: number
}

interface State {
  facilities: Set<string>
  /** Those that have not come to their end. */
  live: Map<string, Shipment>
  /** The last scan that was handled: keys only grow. */
  lastKey: number
  repeats: number
}

type ShipmentsContext = Context<SmsMessages, 'late'>

const US_PER_MINUTE = 60_000_000
const US_PER_MS = 1_000

export const component = defineComponent({
  name: 'shipments',
  schema,
  state: (): State => ({ facilities: new Set(), live: new Map(), lastKey: 0, repeats: 0 }),
  seed({ live }, seed) {
    for (const [shipment, known] of live) seed.send('ShipmentCarried', { shipment, ...known })
  },
  on: {
    FacilityAdded(state, { payload }) {
      state.facilities.add(payload.code)
    },
    ShipmentCarried(state, { payload: { shipment, ...known } }, ctx) {
      state.live.set(shipment, known)
      if (known.lateUs > 0) ctx.startTimer('late', shipment, Math.max(0, (known.lateUs - ctx.timeUs) / US_PER_MS))
    },
    ScansCarried(state, { payload }) {
      state.lastKey = Math.max(state.lastKey, payload.key)
    },
    ShipmentExpected(state, { payload: { key, shipment, from, to } }, ctx) {
      if (isRepeat(state, key)) return
      if (state.live.has(shipment)) {
        ctx.send('ScanRefused', { key, shipment, reason: 'it is expected already' })
        return
      }
      const unknown = [from, to].find((code) => !state.facilities.has(code))
      if (unknown !== undefined) {
        ctx.send('ShipmentRejected', { key, shipment, reason: `there is no facility ${unknown}` })
        return
      }
      state.live.set(shipment, { from, to, status: 'EXPECTED', at: '', scans: 1, next: '', lateUs: 0 })
    },
    ShipmentArrived(state, { payload }, ctx) {
      if (!isRepeat(state, payload.key)) arrive(state, payload, ctx)
    },
    ShipmentHandedOver(state, { payload: { key, shipment } }, ctx) {
      if (isRepeat(state, key)) return
      const known = state.live.get(shipment)
      if (known === undefined) ctx.send('ScanRefused', { key, shipment, reason: 'it is not known' })
      else if (known.at !== known.to)
        ctx.send('ScanRefused', { key, shipment, reason: `it has not reached ${known.to}` })
      else {
        forget(state, shipment, ctx)
        ctx.send('ShipmentDelivered', { key, shipment, facility: known.at })
      }
    },
    ShipmentInTransit(state, { payload: { shipment, from, to, minutes } }, ctx) {
      const known = state.live.get(shipment)
      // It may have been scanned at the next facility before this was said.
      if (known === undefined || known.status !== 'ACCEPTED' || known.at !== from) return
      known.status = 'IN_TRANSIT'
      known.next = to
      known.lateUs = ctx.timeUs + 2 * minutes * US_PER_MINUTE
      ctx.startTimer('late', shipment, (known.lateUs - ctx.timeUs) / US_PER_MS)
    },
    ShipmentOutForDelivery(state, { payload: { shipment } }) {
      const known = state.live.get(shipment)
      if (known?.status === 'ACCEPTED') known.status = 'OUT_FOR_DELIVERY'
    },
    RouteMissing(state, { payload: { key, shipment, facility, to } }, ctx) {
      const known = state.live.get(shipment)
      if (known === undefined || known.status !== 'ACCEPTED' || known.at !== facility) return
      forget(state, shipment, ctx)
      ctx.send('ShipmentRejected', { key, shipment, reason: `no route from ${facility} to ${to}` })
    },
  },
  timers: {
    late(state, shipment, ctx) {
      const known = state.live.get(shipment)
      if (known === undefined) return
      known.lateUs = 0
      ctx.send('ShipmentLate', { shipment, from: known.at, to: known.next })
    },
  },
  digestEvery: 20_000,
})

function arrive(state: State, { key, shipment, facility, damaged }: ShipmentArrived, ctx: ShipmentsContext): void {
  const known = state.live.get(shipment)
  if (known === undefined) {
    ctx.send('ScanRefused', { key, shipment, reason: 'it is not known' })
    return
  }
  if (!state.facilities.has(facility)) {
    ctx.send('ScanRefused', { key, shipment, reason: `there is no facility ${facility}` })
    return
  }
  if (damaged) {
    forget(state, shipment, ctx)
    ctx.send('ShipmentRejected', { key, shipment, reason: `damaged at ${facility}` })
    return
  }
  ctx.cancelTimer('late', shipment)
  Object.assign(known, { status: 'ACCEPTED', at: facility, scans: known.scans + 1, next: '', lateUs: 0 })
  ctx.send('ShipmentAccepted', { key, shipment, facility, to: known.to })
}

function forget(state: State, shipment: string, ctx: ShipmentsContext): void {
  if (state.live.delete(shipment)) ctx.cancelTimer('late', shipment)
}

function isRepeat(state: State, key: number): boolean {
  if (key > state.lastKey) {
    state.lastKey = key
    return false
  }
  state.repeats += 1
  return true
}
