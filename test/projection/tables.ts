/** What the tests of projections share: a place, a projection loaded into it, and its rows in the words of the model. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import { projection as ledger } from '../../src/examples/ledger/balances.js'
import type { Projection } from '../../src/projection/definition.js'
import { isProjection } from '../../src/projection/definition.js'
import { type LoadReport, loadProjection } from '../../src/projection/load.js'
import { openReader, parseTarget } from '../../src/projection/open-target.js'
import { openRecordedSource } from '../../src/projection/recorded-source.js'
import { LmdbLogReader } from '../../src/store/lmdb-log-reader.js'
import type { LedgerModel } from './ledger-recording.js'

export function scratch(t: Pick<Test, 'teardown'>): string {
  const directory = mkdtempSync(join(tmpdir(), 'seqcast-projection-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** The package's own, by its inner name: examples import it as users do, which is another copy for the compiler. */
export function innerProjection(value: unknown): Projection {
  if (isProjection(value)) return value
  throw new Error('it is no projection')
}

export const LEDGER = innerProjection(ledger)

export interface Loading {
  readonly dir: string
  readonly session: string
  readonly from?: number
  readonly to?: number
  readonly reset?: boolean
  readonly projection?: Projection
  readonly schema?: string
}

/** Loads a recording, as `seqcast project --dir` does. */
export function load(to: string, loading: Loading): Promise<LoadReport> {
  const { dir, session, from, reset = false, projection = LEDGER, schema } = loading
  return loadProjection({
    ...{ projection, address: parseTarget(to, schema), logger: silentLogger },
    reset: reset && `${session} from ${from ?? 1} to ${loading.to ?? 'the end'}`,
    loadSource: (position) =>
      openRecordedSource(
        {
          ...{ projection, session, to: loading.to },
          ...(from === undefined ? {} : { from }),
          openLog: (id) => LmdbLogReader.open(dir, id).catch(() => undefined),
        },
        position,
      ),
  })
}

/** The rows that are there, as a model. */
export async function modelOf(to: string, schema?: string): Promise<LedgerModel> {
  const reader = openReader(LEDGER, parseTarget(to, schema), silentLogger)
  await reader.open()
  const model: LedgerModel = { accounts: new Map(), entries: new Map() }
  const [accounts, entries] = LEDGER.tables
  if (accounts === undefined || entries === undefined) throw new Error('the ledger has two tables')
  for await (const { account, owner, balance, entries: count } of reader.rows(accounts)) {
    model.accounts.set(String(account), {
      ...{ account: String(account), owner: String(owner) },
      ...{ balance: Number(balance), entries: Number(count) },
    })
  }
  for await (const { account, number, amount, balance, payee, session, sequence } of reader.rows(entries)) {
    const row = [amount, balance, String(payee ?? '').length, session, sequence]
    model.entries.set(`${account}/${number}`, row.join(' '))
  }
  await reader.close()
  return model
}

/** One text for one model, whatever the order. */
export function textOf({ accounts, entries }: LedgerModel): string {
  const lines = [...accounts.values()].map((each) => JSON.stringify(each))
  return [...lines, ...[...entries].map((each) => each.join(': '))].sort().join('\n')
}
