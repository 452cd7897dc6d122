/** Projections of a live session: as it goes on, after kills, beside old rows, and into the next session. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Test, test } from 'tap'
import { type Running, type Stage, stage, startSequencer, startStore } from '../fixtures/processes.js'
import { modelOf } from './tables.js'

const example = (file: string): string => fileURLToPath(new URL(`../../src/examples/ledger/${file}`, import.meta.url))
const source = (file: string): string => fileURLToPath(new URL(`../../../src/examples/ledger/${file}`, import.meta.url))
const PROTO = source('ledger.proto')

interface System extends Stage {
  readonly all: Running[]
}

async function startLedger(t: Test): Promise<System> {
  const place = await stage(t)
  const store = startStore(place)
  const sequencer = startSequencer(place, '--tick-ms', '20')
  await Promise.all([store.says('store: recording'), sequencer.says('sequencer: session open')])
  const ledger = place.start('run', example('ledger.js'), ...place.streams)
  await ledger.says('is ACTIVE')
  return { ...place, all: [store, sequencer, ledger] }
}

function project(place: Stage, ...flags: string[]): Running {
  return place.start('project', example('balances.js'), '--to', 'lmdb:tables', ...place.streams, ...flags)
}

async function send(place: Stage, t: Test, ...input: string[]): Promise<void> {
  const { status, stderr } = await place.run(['send', ...place.streams, '--proto', PROTO, '--input', ...input])
  t.equal(status, 0, stderr)
}

/** Waits for the rows to say so. */
async function balanceIs(place: Stage, balance: number): Promise<boolean> {
  for (let turn = 0; turn < 150; turn++) {
    const model = await modelOf(`lmdb:${place.path('tables')}`).catch(() => undefined)
    if ([...(model?.accounts.values() ?? [])].reduce((sum, each) => sum + each.balance, 0) === balance) return true
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return false
}

const deposits = (first: number, count: number): string =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({ name: 'DepositRequested', payload: { key: `d${first + i}`, account: 'A-1', amount: 1 } }),
  ).join('\n')

test('live', { timeout: 120_000 }, async (t) => {
  const place = await startLedger(t)
  await t.test('the six entries give 8,654', async (t) => {
    const projector = project(place)
    await send(place, t, source('entries.jsonl'))
    t.ok(await balanceIs(place, 8_654))
    const { accounts } = await modelOf(`lmdb:${place.path('tables')}`)
    t.match(accounts.get('A-1'), { owner: 'Ada', entries: 6 })
    const printed = await place.run(['project', example('balances.js'), '--to', 'lmdb:tables', '--print', 'accounts'])
    t.match(JSON.parse(printed.lines[0] ?? ''), { table: 'accounts', account: 'A-1', balance: 8_654 })
    const { status, lines } = await projector.stop()
    t.equal(status, 0)
    t.match(lines.at(-1), /^ledger is at event \d+ of session/)
  })

  await t.test('killed while events come, it goes on where its rows are', async (t) => {
    writeFileSync(place.path('more.jsonl'), deposits(1, 3_000))
    const sending = send(place, t, 'more.jsonl', '--rate', '1500')
    for (let kill = 0; kill < 2; kill++) {
      const projector = project(place)
      await projector.says('projection: begins')
      await new Promise((resolve) => setTimeout(resolve, 150))
      await projector.stop('SIGKILL')
    }
    const last = project(place)
    await sending
    t.ok(await balanceIs(place, 8_654 + 3_000))
    await last.stop()
  })

  await t.test('built anew beside, it is swapped when it has caught up, and goes on live', async (t) => {
    const projector = project(place, '--reset')
    await projector.says('projection: swapped')
    t.ok(await balanceIs(place, 8_654 + 3_000))
    writeFileSync(place.path('last.jsonl'), deposits(9_000, 5))
    await send(place, t, 'last.jsonl')
    t.ok(await balanceIs(place, 8_654 + 3_005))
    await projector.stop()
  })
  for (const process of place.all) t.equal(process.isOver, false, process.stderr)
})
