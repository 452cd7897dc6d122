// Made by `seqcast generate ledger.proto`: change ledger.proto, not this file.

import { defineSchema, type Schema } from 'seqcast'

export interface OpenRequested {
  key: string
  account: string
  owner: string
}

export interface DepositRequested {
  key: string
  account: string
  amount: number
}

export interface PaymentRequested {
  key: string
  account: string
  amount: number
  payee: string
}

export interface AccountOpened {
  key: string
  account: string
  owner: string
}

export interface Deposited {
  key: string
  account: string
  amount: number
}

export interface Paid {
  key: string
  account: string
  amount: number
  payee: string
}

export interface Refused {
  key: string
  account: string
  reason: string
}

export interface AccountCarried {
  account: string
  owner: string
  /** what was decided */
  available: number
  /** what was entered: decisions that were under way follow as entries */
  balance: number
  /** how many there were */
  entries: number
  /** of the requests that were decided */
  keys: string[]
}

/** The events of ledger.proto: the payload of each by its name. */
export interface LedgerMessages {
  OpenRequested: OpenRequested
  DepositRequested: DepositRequested
  PaymentRequested: PaymentRequested
  AccountOpened: AccountOpened
  Deposited: Deposited
  Paid: Paid
  Refused: Refused
  AccountCarried: AccountCarried
}

export const schema: Schema<LedgerMessages> = defineSchema<LedgerMessages>({
  package: 'ledger',
  messages: {
    OpenRequested: {
      type: 256,
      fields: {
        key: { id: 1, type: 'string' },
        account: { id: 2, type: 'string' },
        owner: { id: 3, type: 'string' },
      },
    },
    DepositRequested: {
      type: 257,
      fields: {
        key: { id: 1, type: 'string' },
        account: { id: 2, type: 'string' },
        amount: { id: 3, type: 'uint64' },
      },
    },
    PaymentRequested: {
      type: 258,
      fields: {
        key: { id: 1, type: 'string' },
        account: { id: 2, type: 'string' },
        amount: { id: 3, type: 'uint64' },
        payee: { id: 4, type: 'string' },
      },
    },
    AccountOpened: {
      type: 266,
      fields: {
        key: { id: 1, type: 'string' },
        account: { id: 2, type: 'string' },
        owner: { id: 3, type: 'string' },
      },
    },
    Deposited: {
      type: 267,
      fields: {
        key: { id: 1, type: 'string' },
        account: { id: 2, type: 'string' },
        amount: { id: 3, type: 'uint64' },
      },
    },
    Paid: {
      type: 268,
      fields: {
        key: { id: 1, type: 'string' },
        account: { id: 2, type: 'string' },
        amount: { id: 3, type: 'uint64' },
        payee: { id: 4, type: 'string' },
      },
    },
    Refused: {
      type: 269,
      fields: {
        key: { id: 1, type: 'string' },
        account: { id: 2, type: 'string' },
        reason: { id: 3, type: 'string' },
      },
    },
    AccountCarried: {
      type: 270,
      fields: {
        account: { id: 1, type: 'string' },
        owner: { id: 2, type: 'string' },
        available: { id: 3, type: 'uint64' },
        balance: { id: 4, type: 'uint64' },
        entries: { id: 5, type: 'uint32' },
        keys: { id: 6, type: 'string', rule: 'repeated' },
      },
    },
  },
  enums: {},
})
