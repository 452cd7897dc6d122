/** Projections of a live session: as it goes on, after kills, beside old rows, and into the next session. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Test, test } from 'tap'
import { type Running, type Stage, stage, startSequencer, startStore } from '../fixtures/processes.js'
import { modelOf, textOf } from './tables.js'

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
async function balanceIs(place: Stage, balance: number, tables = 'tables'): Promise<boolean> {
  for (let turn = 0; turn < 150; turn++) {
    const model = await modelOf(`lmdb:${place.path(tables)}`).catch(() => undefined)
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
    writeFileSync(place.path('more.jsonl'), deposits(1, 1_000))
    const sending = send(place, t, 'more.jsonl', '--rate', '800')
    for (let kill = 0; kill < 2; kill++) {
      const projector = project(place)
      await projector.says('projection: begins')
      await new Promise((resolve) => setTimeout(resolve, 150))
      await projector.stop('SIGKILL')
    }
    const last = project(place)
    await sending
    t.ok(await balanceIs(place, 8_654 + 1_000))
    await last.stop()
  })

  await t.test('built anew beside, it is swapped when it has caught up, and goes on live', async (t) => {
    const projector = project(place, '--reset')
    await projector.says('projection: swapped')
    t.ok(await balanceIs(place, 8_654 + 1_000))
    writeFileSync(place.path('last.jsonl'), deposits(9_000, 5))
    await send(place, t, 'last.jsonl')
    t.ok(await balanceIs(place, 8_654 + 1_005))
    await projector.stop()
  })

  await t.test('it goes on with the next session, and finds it when it was not there at the change', async (t) => {
    const before = project(place)
    await before.says('projection: begins')
    const rolled = await place.run(['admin', 'roll-session', ...place.streams])
    t.equal(rolled.status, 0, rolled.stderr)
    await before.says('projection: on to the next session')
    writeFileSync(place.path('next.jsonl'), deposits(10_000, 7))
    await send(place, t, 'next.jsonl')
    t.ok(await balanceIs(place, 8_654 + 1_012))
    await before.stop('SIGKILL')
    const again = await place.run(['admin', 'roll-session', ...place.streams])
    t.equal(again.status, 0, again.stderr)
    writeFileSync(place.path('third.jsonl'), deposits(20_000, 9))
    await send(place, t, 'third.jsonl')
    const after = project(place)
    t.ok(await balanceIs(place, 8_654 + 1_021))
    await after.stop()
    const fresh = place.start('project', example('balances.js'), '--to', 'lmdb:fresh', ...place.streams)
    t.ok(await balanceIs(place, 8_654 + 1_021, 'fresh'))
    await fresh.stop()
    const [rows, loaded] = await Promise.all([
      modelOf(`lmdb:${place.path('tables')}`),
      modelOf(`lmdb:${place.path('fresh')}`),
    ])
    t.equal(textOf(loaded), textOf(rows), 'a fresh load of all three sessions gives the same')
    const anew = project(place, '--reset')
    await anew.says('projection: swapped')
    t.equal(textOf(await modelOf(`lmdb:${place.path('tables')}`)), textOf(rows), 'what is swapped has all sessions')
    await anew.stop()
  })
  for (const process of place.all) t.equal(process.isOver, false)
})
