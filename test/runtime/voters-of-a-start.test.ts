/** Who may be named as voters: an odd number, each once. */
import { test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import { startSequencer } from '../../src/runtime/sequencer-role.js'

const group = { group: '239.255.93.4', port: 47_999 }
const OPTIONS = {
  session: 'S',
  interfaceAddress: '127.0.0.1',
  eventGroup: group,
  commandGroup: group,
  controlGroup: group,
  stores: [],
  datagramBytes: 1_400,
  idle: 'block',
  logger: silentLogger,
  requestPort: 0,
} as const

test('an even number of voters, more than five, or one that is named twice, is refused before anything is opened', async (t) => {
  for (const voters of [
    ['a', 'b'],
    ['a', 'a', 'b'],
    ['a', 'b', 'c', 'd'],
    ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
  ]) {
    await t.rejects(startSequencer({ ...OPTIONS, voters }), { code: 'E_CONFIG', message: /one, three or five voters/ })
  }
})
