/** The demo's processes are stopped in order: what ends with the session is waited for, and gets no signal on its way out. */
import { test } from 'tap'
import { Supervisor } from '../../src/cli/demo/supervisor.js'
import { stage } from '../fixtures/processes.js'

test('what ends by itself is only waited for', async (t) => {
  const place = await stage(t)
  const deaths: string[] = []
  const supervisor = new Supervisor(
    place.directory,
    ({ plan, how }) => deaths.push(`${plan.name}: ${how}`),
    () => {},
  )
  t.teardown(() => supervisor.killAll())
  // It catches no signal, so one would kill it.
  const args = ['--version']
  supervisor.start({ name: 'sequencer', role: 'sequencer', args })
  supervisor.start({ name: 'component/a', role: 'component', args })
  t.strictSame(await supervisor.stop(({ role }) => role !== 'store'), [])
  supervisor.start({ name: 'store-b', role: 'store', args })
  t.strictSame(await supervisor.stop(({ name }) => name === 'store-b'), ['store-b'], 'a store is told to stop')
  t.strictSame(deaths, [])
})
