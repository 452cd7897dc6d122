/** A replica of the desk as a process of its own, with a trap under it. */
import { appendFileSync } from 'node:fs'
import { readConfiguration, roleOptions } from '../../src/cli/configuration.js'
import { startComponent } from '../../src/runtime/component-role.js'
import { systemPlatform } from '../../src/runtime/platform.js'
import { deskComponent } from './desk.js'
import type { ReplicaPlan } from './points.js'
import { Trap } from './trap.js'

/** Orders come in bursts of one to four, a few milliseconds apart. */
const PAUSE_MS = 3
const BURST = 4

const plan = JSON.parse(process.argv[2] ?? '') as ReplicaPlan
const { session, eventGroup, commandGroup, controlGroup, instance, standby, ledger } = plan
const options = roleOptions(
  readConfiguration({ session, eventGroup, commandGroup, controlGroup, logLevel: 'info' }),
  instance,
)
const trap = new Trap(plan)
const platform = systemPlatform()
let isStopped = false

const component = deskComponent({
  effect(kind, n, key) {
    appendFileSync(ledger, `${kind} ${n} ${key}\n`)
    trap.done(kind, n)
  },
  async input(port, state) {
    for (let n = state.lastOrder + 1; !isStopped; ) {
      for (let i = 1 + (n % BURST); i > 0; i--) {
        await port.ready()
        if (port.signal.aborted) return
        port.send('Order', { n: n++ })
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
      if (port.signal.aborted) return
    }
  },
})

const role = await startComponent(component, {
  ...options,
  instance,
  standby,
  guard: true,
  platform: { ...platform, network: trap.network(platform.network, options.commandGroup) },
})
process.on('message', () => {
  isStopped = true
  trap.disarm()
})
process.once('SIGTERM', () => {
  role.stop('SIGTERM').catch(() => {})
})
await role.done
process.disconnect?.()
