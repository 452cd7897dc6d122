/** The shipment system: each component by itself, and whole histories over several sessions in any interleaving. */
import { deepStrictEqual } from 'node:assert'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import tap, { test } from 'tap'
import { testComponent } from '../../src/component/test-kit.js'
import { addRoute, nextLeg, type Routes } from '../../src/examples/sms/network.js'
import { component as router } from '../../src/examples/sms/router.js'
import { generateScans, readRoutes } from '../../src/examples/sms/scan-generator.js'
import { configure } from '../../src/examples/sms/scanner.js'
import { parseScan, readScans, type Scan } from '../../src/examples/sms/scans.js'
import { component as shipments } from '../../src/examples/sms/shipments.js'
import { temporaryFolder } from './data.js'
import { Days } from './sms-days.js'

const STATIC = 'src/examples/sms/static.jsonl'
const folder = temporaryFolder()
tap.teardown(() => rmSync(folder, { recursive: true }))

function write(name: string, scans: readonly Scan[]): string {
  const path = join(folder, name)
  writeFileSync(path, scans.map((scan) => `${JSON.stringify(scan)}\n`).join(''))
  return path
}

test('the quickest way, and always the same one', (t) => {
  const routes: Routes = new Map()
  addRoute(routes, 'A', 'B', 10)
  addRoute(routes, 'A', 'C', 30)
  addRoute(routes, 'B', 'C', 15)
  addRoute(routes, 'C', 'D', 1)
  t.strictSame(nextLeg(routes, 'A', 'D'), { to: 'B', minutes: 10 })
  t.strictSame(nextLeg(routes, 'A', 'C'), { to: 'B', minutes: 10 })
  addRoute(routes, 'A', 'C', 25)
  t.strictSame(
    nextLeg(routes, 'A', 'C'),
    { to: 'C', minutes: 25 },
    'of two that are equally quick the one that was reached first',
  )
  t.equal(nextLeg(routes, 'D', 'A'), undefined)
  t.equal(nextLeg(routes, 'A', 'A'), undefined)
  t.end()
})

test('shipments: accepted, refused, rejected, delivered, late', (t) => {
  const kit = testComponent(shipments)
  for (const code of ['A', 'B']) kit.given('FacilityAdded', { code, city: '' })
  kit.given('ShipmentExpected', { key: 1, shipment: 's', from: 'A', to: 'B' })
  t.strictSame(kit.takeCommands(), [])
  kit.given('ShipmentArrived', { key: 2, shipment: 's', facility: 'A', damaged: false })
  t.strictSame(kit.takeCommands(), [
    { name: 'ShipmentAccepted', payload: { key: 2, shipment: 's', facility: 'A', to: 'B' } },
  ])
  kit.given('ShipmentArrived', { key: 2, shipment: 's', facility: 'A', damaged: false })
  t.strictSame(kit.takeCommands(), [], 'a key is handled once')
  kit.given('ShipmentInTransit', { key: 2, shipment: 's', from: 'A', to: 'B', minutes: 60 })
  t.strictSame(kit.timers(), [{ name: 'late', key: 's', inMs: 7_200_000 }])
  kit.given('ShipmentHandedOver', { key: 3, shipment: 's' })
  t.match(kit.takeCommands(), [{ name: 'ScanRefused', payload: { key: 3, reason: 'it has not reached B' } }])
  kit.advance(7_200_000)
  t.strictSame(kit.takeCommands(), [{ name: 'ShipmentLate', payload: { shipment: 's', from: 'A', to: 'B' } }])
  kit.given('ShipmentArrived', { key: 4, shipment: 's', facility: 'B', damaged: false })
  kit.given('ShipmentOutForDelivery', { key: 4, shipment: 's', facility: 'B' })
  t.equal(kit.state.live.get('s')?.status, 'OUT_FOR_DELIVERY')
  kit.given('ShipmentHandedOver', { key: 5, shipment: 's' })
  t.match(kit.takeCommands(), [{}, { name: 'ShipmentDelivered', payload: { key: 5, facility: 'B' } }])
  t.equal(kit.state.live.size, 0)
  kit.given('ShipmentExpected', { key: 6, shipment: 'u', from: 'A', to: 'Z' })
  kit.given('ShipmentExpected', { key: 7, shipment: 'v', from: 'A', to: 'B' })
  kit.given('ShipmentExpected', { key: 8, shipment: 'v', from: 'A', to: 'B' })
  kit.given('ShipmentArrived', { key: 9, shipment: 'v', facility: 'Z', damaged: false })
  kit.given('ShipmentArrived', { key: 10, shipment: 'v', facility: 'A', damaged: true })
  kit.given('ShipmentArrived', { key: 11, shipment: 'v', facility: 'A', damaged: false })
  t.match(kit.takeCommands(), [
    { name: 'ShipmentRejected', payload: { shipment: 'u', reason: 'there is no facility Z' } },
    { name: 'ScanRefused', payload: { key: 8, reason: 'it is expected already' } },
    { name: 'ScanRefused', payload: { key: 9, reason: 'there is no facility Z' } },
    { name: 'ShipmentRejected', payload: { key: 10, reason: 'damaged at A' } },
    { name: 'ScanRefused', payload: { key: 11, reason: 'it is not known' } },
  ])
  kit.replay()
  t.end()
})

test('the router: the next facility, the courier, or no route', (t) => {
  const kit = testComponent(router)
  kit.given('RouteAdded', { from: 'A', to: 'B', minutes: 60 })
  kit.given('ShipmentAccepted', { key: 1, shipment: 's', facility: 'A', to: 'B' })
  kit.given('ShipmentAccepted', { key: 2, shipment: 's', facility: 'B', to: 'B' })
  kit.given('ShipmentAccepted', { key: 3, shipment: 's', facility: 'B', to: 'A' })
  t.strictSame(kit.takeCommands(), [
    { name: 'ShipmentInTransit', payload: { key: 1, shipment: 's', from: 'A', to: 'B', minutes: 60 } },
    { name: 'ShipmentOutForDelivery', payload: { key: 2, shipment: 's', facility: 'B' } },
    { name: 'RouteMissing', payload: { key: 3, shipment: 's', facility: 'B', to: 'A' } },
  ])
  t.end()
})

test('files of scans: what is generated can be read, what is damaged is named by its line', async (t) => {
  const scans = generateScans(await readRoutes(STATIC), { scans: 500, live: 30, seed: 1 })
  t.same(await readScans(write('good.jsonl', scans)), scans)
  t.same(scans, generateScans(await readRoutes(STATIC), { scans: 500, live: 30, seed: 1 }))
  const path = join(folder, 'bad.jsonl')
  writeFileSync(path, '{"scan":"handed-over","shipment":"S1"}\n{"scan":"lost","shipment":"S1"}\n')
  await t.rejects(readScans(path), { code: 'E_FILE_FORMAT', message: /line 2/ })
  await t.rejects(readScans(join(folder, 'none')), { code: 'E_FILE' })
  for (const line of [
    '',
    '1',
    '{}',
    '{"scan":"arrived","shipment":"S","facility":1}',
    '{"scan":"expected","shipment":"S"}',
  ]) {
    t.equal(parseScan(line), undefined, line)
  }
  t.throws(() => configure({ speed: '1' }), { code: 'E_USAGE' })
  t.throws(() => configure({ rate: '0' }), { code: 'E_USAGE' })
})

test('three sessions in any interleaving, ended at any moment: complete and continuous histories', async (t) => {
  const routes = await readRoutes(STATIC)
  const seen = { carried: 0, late: 0, threeSessions: 0, delivered: 0, rejected: 0 }
  const run = fc.record({
    live: fc.integer({ min: 1, max: 60 }),
    seed: fc.integer({ min: 1, max: 1_000_000 }),
    ends: fc.tuple(fc.integer({ min: 0, max: 900 }), fc.integer({ min: 0, max: 900 })),
  })
  await fc.assert(
    fc.asyncProperty(run, async ({ live, seed, ends }) => {
      const scans = generateScans(routes, { scans: 600, live, seed })
      const input = write(`days-${seed}.jsonl`, scans)
      const report = await new Days({ input, scans, routes, seed, ends }).run()
      rmSync(input)
      deepStrictEqual(report.problems, [])
      deepStrictEqual(report.sessions.length, 3)
      for (const { carried, late } of report.sessions) {
        seen.carried += carried
        seen.late += late
      }
      seen.threeSessions += report.histories[2] ?? 0
      seen.delivered += report.delivered
      seen.rejected += report.rejected
    }),
    { numRuns: 60 },
  )
  for (const [what, count] of Object.entries(seen)) t.ok(count > 20, `${what}: ${count}`)
})
