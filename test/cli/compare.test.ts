/** `compare`: two versions in processes of their own, over a recorded session. */
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { TestSession } from '../../src/component/test-session.js'
import { LmdbEventLog } from '../../src/store/lmdb-event-log.js'
import { desk, deskSchema } from '../component/desk.js'
import { stage } from '../fixtures/processes.js'

const DESK = fileURLToPath(new URL('../fixtures/compared-desk.js', import.meta.url))
const ORDERS = 60

/** @returns the sequence of each order, by its id */
async function recordTo(directory: string, session: string): Promise<number[]> {
  const live = new TestSession({ session })
  const replica = live.addReplica(desk)
  live.settle()
  live.activate('desk', replica)
  const orderSequences = [0]
  for (let id = 1; id <= ORDERS; id++) {
    orderSequences.push(live.publish(256, deskSchema.encode('Order', { id, shares: id })))
    live.advance(50_000)
    live.settle()
  }
  const log = await LmdbEventLog.open({ directory, session })
  live.log.read(1, Number.POSITIVE_INFINITY, (sequence, count, bytes, start, end, receivedUs) => {
    log.append(sequence, count, bytes, start, end, receivedUs)
    return true
  })
  while (log.pendingPackets > 0) await new Promise((resolve) => setTimeout(resolve, 1))
  await log.close()
  return orderSequences
}

test('two versions of a component', async (t) => {
  const s = await stage(t)
  const orders = await recordTo(s.path('data'), s.session)
  const compare = ['compare', '--dir', s.path('data'), '--session', s.session, '--run', DESK, '--run', DESK]

  await t.test('no difference', async (t) => {
    const same = await s.run([...compare, '--json'])
    t.equal(same.status, 0, same.stderr)
    t.match(JSON.parse(same.lines[0] ?? ''), { outcome: 'same', component: 'desk', session: s.session })
    t.ok(JSON.parse(same.lines[0] ?? '').commands >= ORDERS)
  })

  await t.test('a command differs', async (t) => {
    const differs = await s.run([...compare, '--new-option', 'twist=17', '--json'])
    t.strictSame([differs.status, differs.code], [1, 'E_DIFFERENT'], differs.stderr)
    const said = JSON.parse(differs.lines[0] ?? '')
    t.match(said, {
      ...{ outcome: 'different', sequence: orders[17], stateDiffers: false, commandsDiffer: true, timersDiffer: false },
      event: { name: 'Order', payload: { id: 17 } },
      oldSide: { commands: [{ name: 'Accepted', payload: { id: 17 } }] },
      newSide: { commands: [{ name: 'Expired', payload: { id: 17 } }] },
    })
    const text = (await s.run([...compare, '--new-option', 'twist=17'])).lines.join('\n')
    t.match(text, `first difference after event ${orders[17]}: Order of test`)
    t.match(text, 'the states are equal')
    t.match(text, /OLD {2}Accepted .*"id":17/)
    t.match(text, /NEW {2}Expired .*"id":17/)
  })

  await t.test('a state differs for one event', async (t) => {
    const text = (await s.run([...compare, '--old-option', 'touch=23'])).lines.join('\n')
    t.match(text, `first difference after event ${orders[23]}: Order of test`)
    t.match(text, '~ lastKey  -1 -> 23')
    const ignored = await s.run([...compare, '--old-option', 'touch=23', '--ignore', 'lastKey'])
    t.match(ignored.lines.at(-1), /^no difference in \d+ events and \d+ commands \(/)
  })

  await t.test('one fails, or both', async (t) => {
    const one = await s.run([...compare, '--new-option', 'fail=9', '--json'])
    t.match(JSON.parse(one.lines[0] ?? ''), { sequence: orders[9], newSide: { failure: { code: 'E_HANDLER' } } })
    const both = await s.run([...compare, '--option', 'fail=9'])
    t.strictSame([both.status, both.code], [1, 'E_DIFFERENT'])
    t.match(both.lines.join('\n'), /then both fail[\s\S]*too much/)
  })

  await t.test('what is wrong is said', async (t) => {
    const refused = async (...args: string[]): Promise<[number | null, string]> => {
      const { status, code } = await s.run(['compare', '--dir', s.path('data'), '--session', ...args])
      return [status, code]
    }
    t.strictSame(await refused(s.session, '--run', DESK), [2, 'E_USAGE'])
    t.strictSame(await refused(s.session, '--run', DESK, s.path('no.js')), [1, 'E_MODULE'])
    t.strictSame(await refused(s.session, '--run', DESK, DESK, '--to-seq', '9999'), [1, 'E_SEQUENCE_PAST_END'])
  })
})
