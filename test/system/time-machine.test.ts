/** The demo's session played again: through each component, through all of them, from the start and from every checkpoint. */
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { loadComponents } from '../../src/cli/recording.js'
import { stage } from '../fixtures/processes.js'
import { prove } from '../time-machine/prove.js'

const OMS = ['order-manager', 'order-router', 'exchange-gateway', 'client-proxy'].map((name) =>
  fileURLToPath(new URL(`../../src/examples/oms/${name}.js`, import.meta.url)),
)

test('a recorded session gives the recorded digests, however it is played', async (t) => {
  const place = await stage(t)
  const demo = place.start(
    'demo',
    '--orders',
    '2000',
    '--json',
    '--dir',
    place.path('demo'),
    '--kill',
    'order-manager@0.6',
  )
  await once(demo.child, 'close')
  t.equal(demo.child.exitCode, 0, demo.stderr)
  const { session, digests } = JSON.parse(demo.lines[0] ?? '')
  const components = await loadComponents(OMS, [])
  const proof = await prove(place.path('demo/store-a'), session, components, (line) => t.comment(line))
  t.strictSame(proof.problems, [])
  t.ok(proof.digestsRecorded >= 2 * OMS.length, `${proof.digestsRecorded} digests`)
  t.ok(proof.checkpoints >= OMS.length, `${proof.checkpoints} checkpoints`)

  await t.test('on the command line, too', async (t) => {
    const of = ['--dir', place.path('demo/store-a'), '--session', session]
    const all = await place.run([
      'replay',
      ...of,
      ...OMS.flatMap((path) => ['--run', path]),
      '--from-checkpoint',
      '--json',
    ])
    t.equal(all.status, 0, all.stderr)
    for (const line of all.lines) {
      const { component, after, sequence } = JSON.parse(line)
      t.ok(after > 0 && after < sequence, `${component} began after event ${after}`)
    }
    const [order] = OMS
    const upTo = await place.run([
      'replay',
      ...of,
      '--run',
      String(order),
      '--to-seq',
      String(digests['order-manager'].sequence),
    ])
    t.match(upTo.lines.at(-1), digests['order-manager'].digest, 'the digest that the live replicas had')
  })
})
