/**
 * The ledger: it decides what is asked of an account, each request once. What it keeps is what it needs for its decisions; what people
 * want to look at is a projection of its events, in balances.ts.
 */
import { defineComponent } from 'seqcast'
import { schema } from './generated/ledger.js'

interface Account {
  owner: string
  /** The sum of its entries. */
  balance: number
  /** Of payments that were granted and are not entries yet: nobody pays with the same money twice. */
  granted: number
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
        state.accounts.set(account, { owner, balance: 0, granted: 0, entries: 0 })
        ctx.send('AccountOpened', { key, account, owner })
      }
    },
    DepositRequested(state, { payload: { key, account, amount } }, ctx) {
      if (!isNew(state, account, key)) return
      if (state.accounts.has(account)) ctx.send('Deposited', { key, account, amount })
      else ctx.send('Refused', { key, account, reason: 'no such account' })
    },
    PaymentRequested(state, { payload: { key, account, amount, payee } }, ctx) {
      if (!isNew(state, account, key)) return
      const found = state.accounts.get(account)
      if (found === undefined) ctx.send('Refused', { key, account, reason: 'no such account' })
      else if (found.balance - found.granted < amount) {
        ctx.send('Refused', { key, account, reason: 'the balance is too low' })
      } else {
        found.granted += amount
        ctx.send('Paid', { key, account, amount, payee })
      }
    },
    // A decision counts when it is an event: what is still under way when a session ends is one in the next.
    AccountOpened(state, { payload: { account } }) {
      enter(state, account, 0)
    },
    Deposited(state, { payload: { account, amount } }) {
      enter(state, account, amount)
    },
    Paid(state, { payload: { account, amount } }) {
      enter(state, account, -amount)
      const found = state.accounts.get(account)
      if (found !== undefined) found.granted -= amount
    },
    AccountCarried(state, { payload: { account, owner, balance, granted, entries, keys } }) {
      state.accounts.set(account, { owner, balance, granted, entries })
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
