/** One line of a component is changed; it matters at one event of a million. That event is what `compare` says. */
import { writeFileSync } from 'node:fs'
import { test } from 'tap'
import { defineSchema } from '../../src/component/schema.js'
import { LmdbEventLog } from '../../src/store/lmdb-event-log.js'
import { SESSION_STARTED, sessionStartedCodec } from '../../src/wire/runtime-events.js'
import { stage } from '../fixtures/processes.js'
import { blocks, eventBytes } from '../store/recordings.js'

const EVENTS = 1_000_000
/** The one charge of exactly what is there. */
const AT = 734_567
const ACCOUNTS = 20_000
const PER_PACKET = 50
const INDEX = new URL('../../src/index.js', import.meta.url).href

interface TillMessages {
  Deposited: { account: number; cents: number }
  Charged: { account: number; cents: number }
}

const fields = { account: { id: 1, type: 'uint32' }, cents: { id: 2, type: 'uint32' } } as const
const descriptor = {
  package: 'till',
  messages: {
    Deposited: { type: 256, fields },
    Charged: { type: 257, fields },
    Rejected: { type: 258, fields },
  },
  enums: {},
}
const schema = defineSchema<TillMessages>(descriptor)

const CODE = `
import { defineComponent, defineSchema } from '${INDEX}'
export const component = defineComponent({
  name: 'till',
  schema: defineSchema(${JSON.stringify(descriptor)}),
  state: () => ({ accounts: new Map(), charges: 0 }),
  on: {
    Deposited(state, { payload: { account, cents } }) {
      const known = state.accounts.get(account) ?? { cents: 0, deposits: 0 }
      known.cents += cents
      known.deposits += 1
      state.accounts.set(account, known)
    },
    Charged(state, { payload: { account, cents } }, ctx) {
      const known = state.accounts.get(account) ?? { cents: 0, deposits: 0 }
      if (known.cents < cents) return ctx.send('Rejected', { account, cents })
      known.cents -= cents
      state.charges += 1
    },
  },
})
`
const LINE = 'if (known.cents < cents)'

/** Records a million events of which one is a charge of all that an account has. */
async function recordTo(directory: string, session: string): Promise<void> {
  const log = await LmdbEventLog.open({ directory, session })
  const started = { session, protocolVersion: 1, datagramBytes: 1_400, fragmentBytes: 1_342, voters: [] }
  const chain = { predecessor: '', predecessorSequence: 0, seeders: [], staticEvents: 0, staticHash: '' }
  const first = sessionStartedCodec.encode({ ...started, ...chain })
  const cents = new Map<number, number>()
  for (let sequence = 1; sequence <= EVENTS; ) {
    const messages: Uint8Array[] = []
    const timeUs = 1_700_000_000_000_000 + sequence * 10
    for (let i = 0; i < PER_PACKET && sequence + i <= EVENTS; i++) {
      const head = { source: sequence + i === 1 ? 0 : 1, sourceSequence: sequence + i, timeUs }
      if (sequence + i === 1) messages.push(eventBytes({ ...head, type: SESSION_STARTED, payload: first }))
      else messages.push(eventBytes({ ...head, ...eventOf(sequence + i, cents) }))
    }
    const run = blocks(messages)
    log.append(sequence, messages.length, run, 0, run.length, timeUs)
    sequence += messages.length
    while (log.pendingPackets > 4_000) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  while (log.pendingPackets > 0) await new Promise((resolve) => setTimeout(resolve, 1))
  await log.close()
}

function eventOf(sequence: number, cents: Map<number, number>): { type: number; payload: Uint8Array } {
  const account = (sequence * 7_919) % ACCOUNTS
  const has = cents.get(account) ?? 0
  if (sequence === AT) return { type: 257, payload: schema.encode('Charged', { account, cents: has }).slice() }
  const isCharge = sequence % 3 === 0
  let amount = 1 + (sequence % 97)
  if (isCharge && amount === has) amount += 1
  if (!isCharge) cents.set(account, has + amount)
  else if (amount <= has) cents.set(account, has - amount)
  const name = isCharge ? 'Charged' : 'Deposited'
  return { type: isCharge ? 257 : 256, payload: schema.encode(name, { account, cents: amount }).slice() }
}

test('one changed line in a million events', async (t) => {
  const s = await stage(t)
  await recordTo(s.path('data'), s.session)
  writeFileSync(s.path('package.json'), '{ "type": "module" }')
  t.ok(CODE.includes(LINE))
  writeFileSync(s.path('old.js'), CODE)
  writeFileSync(s.path('new.js'), CODE.replace(LINE, 'if (known.cents <= cents)'))
  const compare = ['compare', '--dir', s.path('data'), '--session', s.session, '--run', 'old.js', '--run', 'new.js']
  const { status, code, lines, stderr } = await s.run([...compare, '--json'])
  t.strictSame([status, code], [1, 'E_DIFFERENT'], stderr)
  const found = JSON.parse(lines[0] ?? '')
  t.match(found, {
    sequence: AT,
    stateDiffers: true,
    commandsDiffer: true,
    newSide: { commands: [{ name: 'Rejected' }] },
  })
  t.comment(`${found.seconds} s`)
})
