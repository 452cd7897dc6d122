/**
 * The router: sends each shipment that a facility has accepted on its way, to the next facility or to the courier. All that it knows
 * are the routes, static data that every session begins with: so it carries nothing over. What it had decided and not sent when a
 * session ends is entered into the next one by the runtime.
 */
import { defineComponent } from 'seqcast'
import { schema } from './generated/sms.js'
import { addRoute, nextLeg, type Routes } from './network.js'

interface State {
  routes: Routes
}

export const component = defineComponent({
  name: 'router',
  schema,
  state: (): State => ({ routes: new Map() }),
  on: {
    RouteAdded({ routes }, { payload: { from, to, minutes } }) {
      addRoute(routes, from, to, minutes)
    },
    ShipmentAccepted({ routes }, { payload: { key, shipment, facility, to } }, ctx) {
      if (facility === to) {
        ctx.send('ShipmentOutForDelivery', { key, shipment, facility })
        return
      }
      const leg = nextLeg(routes, facility, to)
      if (leg === undefined) ctx.send('RouteMissing', { key, shipment, facility, to })
      else ctx.send('ShipmentInTransit', { key, shipment, from: facility, to: leg.to, minutes: leg.minutes })
    },
  },
  digestEvery: 20_000,
})
