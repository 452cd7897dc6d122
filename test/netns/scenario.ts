/** A test on a LAN of namespaces: a whole system, what happens to it, and the judgement over what is recorded. */
import { type Test, test } from 'tap'
import { whyNoNamespaces } from './namespaces.js'
import { System, type SystemOptions } from './system.js'

const skip = (await whyNoNamespaces()) ?? false
const TIMEOUT_MS = 280_000

/** @param play what happens; at its end everybody has to be there again, and nothing cut */
export function scenario(name: string, options: SystemOptions, play: (system: System, t: Test) => Promise<void>): void {
  test(name, { skip, timeout: TIMEOUT_MS }, async (t) => {
    const system = await System.open(t, options)
    await play(system, t)
    const { problems, ...outcome } = await system.finish()
    t.comment(JSON.stringify(outcome))
    t.strictSame(problems, [])
  })
}
