/**
 * `npm run test-replay`: records the demo, with losses and a kill, and plays it again in every way: through each component and all of them,
 * from the start and from every checkpoint, and at ten times its pace. One line each; ends with status 1 where anything does not hold.
 */
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { loadComponents } from '../../src/cli/recording.js'
import { stage } from '../fixtures/processes.js'
import { prove } from './prove.js'

/** What the pace may be off by: the figure. */
const TOLERANCE = 0.05
const SPEED = 10

const { values } = parseArgs({
  options: { orders: { type: 'string', default: '20000' }, rate: { type: 'string', default: '1000' } },
})
const OMS = ['order-manager', 'order-router', 'exchange-gateway', 'client-proxy'].map((name) =>
  fileURLToPath(new URL(`../../src/examples/oms/${name}.js`, import.meta.url)),
)

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}
const teardowns: (() => unknown)[] = []
const tidy = async (): Promise<void> => {
  for (const teardown of teardowns.splice(0).reverse()) await teardown()
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => tidy().finally(() => process.exit(1)))

try {
  process.exitCode = (await run()) ? 0 : 1
} finally {
  await tidy()
}

async function run(): Promise<boolean> {
  const place = await stage({ teardown: (handler: () => unknown) => teardowns.push(handler) })
  say(
    `recording the demo: ${values.orders} orders at ${values.rate} messages a second, 2 % of all packets lost, one kill`,
  )
  const load = ['--orders', values.orders, '--rate', values.rate, '--loss', '0.02', '--kill', 'exchange-gateway@0.5']
  const demo = place.start('demo', ...load, '--json', '--dir', place.path('demo'))
  await once(demo.child, 'close')
  if (demo.child.exitCode !== 0) {
    say(`the demo ended with ${demo.child.exitCode}\n${demo.stderr}`)
    return false
  }
  const { session } = JSON.parse(demo.lines[0] ?? '')
  const directory = place.path('demo/store-a')
  const proof = await prove(directory, session, await loadComponents(OMS, []), say)
  for (const problem of proof.problems) say(`PROBLEM ${problem}`)
  say(
    `${proof.replays} replays of ${proof.events} events, ${proof.digestsRecorded} digests recorded, ${proof.checkpoints} checkpoints`,
  )
  const off: number[] = []
  for (const path of OMS) {
    const of = ['--dir', directory, '--session', session, '--run', path, '--speed', String(SPEED), '--json']
    const replay = place.start('replay', ...of)
    await once(replay.child, 'close')
    const { component, paceSeconds, paceDueSeconds } = JSON.parse(replay.lines[0] ?? '')
    off.push(Math.abs(paceSeconds / paceDueSeconds - 1))
    const [took, due] = [paceSeconds, paceDueSeconds].map((seconds) => seconds.toFixed(3))
    say(
      `${component} at ${SPEED} times the pace: ${took} s for ${due} s, ${((off.at(-1) ?? 1) * 100).toFixed(2)} % off`,
    )
  }
  return proof.problems.length === 0 && off.every((share) => share <= TOLERANCE)
}
