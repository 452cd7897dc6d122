/**
 * The ledger in a database: each account with its balance, and each entry. `seqcast project balances.js --to postgres://…`
 *
 * An entry is known by its account and number, so loading it again changes nothing; that the balance is right after every crash is the
 * position's work, which is stored in the same transaction.
 */
import { defineProjection, type ProjectionEvent, type TablesOf } from 'seqcast'
import { schema } from './generated/ledger.js'

const tables = {
  accounts: {
    key: ['account'],
    columns: { account: 'text', owner: 'text', balance: 'integer', entries: 'integer', changedAt: 'time' },
  },
  entries: {
    key: ['account', 'number'],
    columns: {
      account: 'text',
      number: 'integer',
      amount: 'integer',
      balance: 'integer',
      payee: 'text?',
      at: 'time',
      session: 'text',
      sequence: 'integer',
    },
  },
} as const

export const projection = defineProjection({
  name: 'ledger',
  schema,
  tables,
  on: {
    AccountOpened(event, rows) {
      const { account, owner } = event.payload
      rows.accounts.put({ account, owner, balance: 0, entries: 1, changedAt: event.timeUs })
      rows.entries.put({ account, number: 1, amount: 0, balance: 0, at: event.timeUs, ...numberOf(event) })
    },
    async Deposited(event, rows) {
      await enter(event, rows, event.payload.account, event.payload.amount)
    },
    async Paid(event, rows) {
      await enter(event, rows, event.payload.account, -event.payload.amount, event.payload.payee)
    },
    async AccountCarried({ payload, timeUs }, rows) {
      // Whoever has followed the ledger from the beginning knows it; who begins with this session has no entries before it.
      if ((await rows.accounts.get(payload.account)) !== undefined) return
      const { account, owner, balance, entries } = payload
      rows.accounts.put({ account, owner, balance, entries, changedAt: timeUs })
    },
  },
})

async function enter(
  event: ProjectionEvent,
  rows: TablesOf<typeof tables>,
  account: string,
  amount: number,
  payee?: string,
): Promise<void> {
  const before = await rows.accounts.get(account)
  if (before === undefined) throw new Error(`an entry for account ${account}, which was never opened`)
  const balance = before.balance + amount
  const number = before.entries + 1
  rows.accounts.put({ ...before, balance, entries: number, changedAt: event.timeUs })
  rows.entries.put({ account, number, amount, balance, payee, at: event.timeUs, ...numberOf(event) })
}

function numberOf({ session, sequence }: ProjectionEvent): { session: string; sequence: number } {
  return { session, sequence }
}
