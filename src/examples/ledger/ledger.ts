/**
 * The ledger: it decides what is asked of an account, each request once. What it keeps is what it needs for its decisions; what people
 * want to look at is a projection of its events, in balances.ts.
 */
import { defineComponent } from 'seqcast'
import { schema } from './generated/ledger.js'

interface Account {
  owner: string
  /** What was decided: it is ahead of the entries by the decisions that are under way. */
  available: number
  /** The sum of the entries, which are events. */
  balance: number
  entries: number
}

interface State {
  accounts: Map<string, Account>
  /** Of the requests that were decided, by account. */
  keys: Map<string, Set<string>>
}

export const component = defineComponent({
  name: 'ledger',
  schema,
  state: (): State => ({ accounts: new Map(), keys: new Map() }),
  on: {
    OpenRequested(state, { payload: { key, account, owner } }, ctx) {
      if (!isNew(state, account, key)) return
      if (state.accounts.has(account)) ctx.send('Refused', { key, account, reason: 'it is open already' })
      else {
        state.accounts.set(account, { owner, available: 0, balance: 0, entries: 0 })
        ctx.send('AccountOpened', { key, account, owner })
      }
    },
    DepositRequested(state, { payload: { key, account, amount } }, ctx) {
      if (!isNew(state, account, key)) return
      const found = state.accounts.get(account)
      if (found === undefined) ctx.send('Refused', { key, account, reason: 'no such account' })
      else {
        found.available += amount
        ctx.send('Deposited', { key, account, amount })
      }
    },
    PaymentRequested(state, { payload: { key, account, amount, payee } }, ctx) {
      if (!isNew(state, account, key)) return
      const found = state.accounts.get(account)
      if (found === undefined) ctx.send('Refused', { key, account, reason: 'no such account' })
      else if (found.available < amount) ctx.send('Refused', { key, account, reason: 'the balance is too low' })
      else {
        found.available -= amount
        ctx.send('Paid', { key, account, amount, payee })
      }
    },
    // The balance moves when a decision is an event: what is under way when a session ends is one in the next.
    AccountOpened(state, { payload: { account } }) {
      enter(state, account, 0)
    },
    Deposited(state, { payload: { account, amount } }) {
      enter(state, account, amount)
    },
    Paid(state, { payload: { account, amount } }) {
      enter(state, account, -amount)
    },
    AccountCarried(state, { payload: { account, owner, available, balance, entries, keys } }) {
      state.accounts.set(account, { owner, available, balance, entries })
      state.keys.set(account, new Set(keys))
    },
  },
  seed(state, seed) {
    for (const [account, carried] of state.accounts) {
      seed.send('AccountCarried', { account, ...carried, keys: [...(state.keys.get(account) ?? [])] })
    }
  },
  digestEvery: 10_000,
})

function enter(state: State, account: string, amount: number): void {
  const found = state.accounts.get(account)
  if (found === undefined) return
  found.balance += amount
  found.entries += 1
}

/** True for the first request of this key. */
function isNew(state: State, account: string, key: string): boolean {
  const keys = state.keys.get(account)
  if (keys?.has(key)) return false
  if (keys === undefined) state.keys.set(account, new Set([key]))
  else keys.add(key)
  return true
}
