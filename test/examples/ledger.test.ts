/** The ledger: six entries give 8,654, each request is decided once, and the rows say what the events say. */
import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { testComponent } from '../../src/component/test-kit.js'
import { projection } from '../../src/examples/ledger/balances.js'
import { component } from '../../src/examples/ledger/ledger.js'
import { testProjection } from '../../src/projection/test-kit.js'

const ENTRIES = new URL('../../../src/examples/ledger/entries.jsonl', import.meta.url)

test('0, +100, +9,500, -1,040, -156 and +250 give 8,654', async (t) => {
  const kit = testComponent(component)
  const rows = testProjection(projection)
  for (const line of readFileSync(ENTRIES, 'utf8').trim().split('\n')) {
    const { name, payload } = JSON.parse(line)
    kit.given(name, component.schema.fromJson(name, payload) as never)
    for (const command of kit.takeCommands()) await rows.given(command.name, command.payload as never)
  }
  t.match(kit.state.accounts.get('A-1'), { owner: 'Ada', balance: 8_654, available: 8_654, entries: 6 })
  t.match(rows.rows('accounts'), [{ account: 'A-1', owner: 'Ada', balance: 8_654, entries: 6 }])
  t.strictSame(
    rows.rows('entries').map(({ number, amount, balance }) => [number, amount, balance]),
    [
      [1, 0, 0],
      [2, 100, 100],
      [3, 9_500, 9_600],
      [4, -1_040, 8_560],
      [5, -156, 8_404],
      [6, 250, 8_654],
    ],
  )
  kit.replay()
})

test('a request that comes twice is decided once, and nobody spends what is not there', (t) => {
  const kit = testComponent(component)
  const account = 'A-1'
  const names = (): string[] => kit.takeCommands().map(({ name }) => name)
  kit.given('DepositRequested', { key: '1', account, amount: 5 })
  t.strictSame(names(), ['Refused'], 'there is no such account')
  kit.given('OpenRequested', { key: '2', account, owner: 'Ada' })
  kit.given('OpenRequested', { key: '3', account, owner: 'Bob' })
  t.strictSame(names(), ['AccountOpened', 'Refused'])
  kit.given('DepositRequested', { key: '4', account, amount: 5 })
  kit.given('DepositRequested', { key: '4', account, amount: 5 })
  t.strictSame(names(), ['Deposited'])
  kit.given('PaymentRequested', { key: '5', account, amount: 3, payee: 'x' })
  kit.given('PaymentRequested', { key: '6', account, amount: 3, payee: 'x' })
  t.strictSame(names(), ['Paid', 'Refused'])
  t.equal(kit.state.accounts.get(account)?.balance, 2)
  kit.replay()
  t.end()
})

test('what is carried over is known already to who has followed, and new to who begins', async (t) => {
  const rows = testProjection(projection)
  const carried = { account: 'A-1', owner: 'Ada', available: 90, balance: 100, entries: 2, keys: ['1'] }
  await rows.given('AccountCarried', carried, { carriedOver: true })
  await rows.given('Paid', { key: '2', account: 'A-1', amount: 10, payee: 'rent' })
  t.match(rows.rows('accounts'), [{ balance: 90, entries: 3 }])
  await rows.given('AccountCarried', { ...carried, balance: 90, entries: 3 }, { carriedOver: true })
  t.match(rows.rows('accounts'), [{ balance: 90, entries: 3 }])
  await t.rejects(rows.given('Paid', { key: '', account: 'B-2', amount: 1, payee: '' }), /never opened/)
})
