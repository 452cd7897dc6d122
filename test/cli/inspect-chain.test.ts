/** A shipment that lives longer than a session: its audit trail over all of them. */
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { testComponent } from '../../src/component/test-kit.js'
import { component as shipments } from '../../src/examples/sms/shipments.js'
import { stage } from '../fixtures/processes.js'
import { storeSession } from '../fixtures/stored-session.js'

const SHIPMENTS = fileURLToPath(new URL('../../src/examples/sms/shipments.js', import.meta.url))
const json = (lines: readonly string[]): Record<string, unknown>[] => lines.map((line) => JSON.parse(line))

test('the trail of a shipment over three sessions', async (t) => {
  const s = await stage(t)
  const kit = testComponent(shipments, { session: 'SMS1' })
  const open = (): void => {
    for (const code of ['AMS', 'BCN']) kit.given('FacilityAdded', { code, city: code })
  }
  open()
  kit.given('ShipmentExpected', { key: 1, shipment: 'P7', from: 'AMS', to: 'BCN' })
  kit.given('ShipmentExpected', { key: 2, shipment: 'P8', from: 'AMS', to: 'BCN' })
  const first = kit.session
  kit.roll('SMS2')
  open()
  kit.given('ShipmentArrived', { key: 3, shipment: 'P7', facility: 'AMS', damaged: false })
  const second = kit.session
  kit.roll('SMS3')
  open()
  kit.given('ShipmentArrived', { key: 4, shipment: 'P7', facility: 'BCN', damaged: false })
  kit.given('ShipmentHandedOver', { key: 5, shipment: 'P7' })
  for (const session of [first, second, kit.session]) await storeSession(session, s.path('store'))

  const inspect = (session: string, ...flags: string[]) =>
    s.run(['inspect', '--dir', s.path('store'), '--session', session, '--run', SHIPMENTS, '--why', 'P7', ...flags])
  const trail = json((await inspect('SMS3', '--chain', '--json')).lines)
  t.strictSame(
    trail.map(({ session, name }) => [session, name ?? 'end']),
    [
      ['SMS1', 'ShipmentExpected'],
      ['SMS1', 'end'],
      ['SMS2', 'ShipmentCarried'],
      ['SMS2', 'ShipmentArrived'],
      ['SMS2', 'ShipmentAccepted'],
      ['SMS2', 'end'],
      ['SMS3', 'ShipmentCarried'],
      ['SMS3', 'ShipmentArrived'],
      ['SMS3', 'ShipmentAccepted'],
      ['SMS3', 'ShipmentHandedOver'],
      ['SMS3', 'ShipmentDelivered'],
      ['SMS3', 'end'],
    ],
  )
  t.match(trail[2], { parts: [{ changes: [{ kind: 'added', path: 'live["P7"]', after: { status: 'EXPECTED' } }] }] })
  t.match(trail[9], {
    parts: [{ changes: [{ kind: 'removed', path: 'live["P7"]' }], commands: [{ name: 'ShipmentDelivered' }] }],
  })
  t.match(trail.at(-1), { total: 5, now: [{ found: [] }] })
  const alone = await inspect('SMS3')
  t.match(alone.lines[0], 'P7 in shipments: 5 events of')
  t.equal(alone.lines.filter((line) => line.includes('session')).length, 1, 'without --chain it is one session')
  const plain = await inspect('SMS3', '--chain')
  t.strictSame(
    plain.lines.filter((line) => line.startsWith('P7')).map((line) => line.split(' ').at(-1)),
    ['SMS1', 'SMS2', 'SMS3'],
  )
})
