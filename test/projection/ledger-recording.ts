/**
 * Recorded sessions of the ledger example, drawn from a seed and written as a store writes them: packets of any size, messages in
 * fragments, sources that interleave. And the rows that they must give, computed without any of the code under test.
 */
import { Prng } from '../../src/core/prng.js'
import { schema } from '../../src/examples/ledger/generated/ledger.js'
import { LmdbEventLog } from '../../src/store/lmdb-event-log.js'
import { FIRST_FRAGMENT, LAST_FRAGMENT } from '../../src/wire/event.js'
import {
  SEED_DONE,
  SESSION_ENDED,
  SESSION_STARTED,
  SOURCE_REGISTERED,
  seedDoneCodec,
  sessionEndedCodec,
  sessionStartedCodec,
  sourceRegisteredCodec,
  TICK,
} from '../../src/wire/runtime-events.js'
import { appendMessages, durable, eventBytes } from '../store/recordings.js'

export interface ExpectedAccount {
  readonly account: string
  readonly owner: string
  readonly balance: number
  readonly entries: number
}

export interface LedgerModel {
  readonly accounts: Map<string, ExpectedAccount>
  /** `account/number` and amount, balance, payee, session and sequence. */
  readonly entries: Map<string, string>
}

export interface RecordingOptions {
  readonly directory: string
  readonly session: string
  readonly seed: number
  readonly events: number
  readonly accounts?: number
  readonly voters?: readonly string[]
  readonly predecessor?: string
  readonly successor?: string
  /** False: it is still going on. */
  readonly ended?: boolean
  /** What is known at the end of the session before, and carried over. */
  readonly model?: LedgerModel
  readonly startUs?: number
}

export const newModel = (): LedgerModel => ({ accounts: new Map(), entries: new Map() })

const START_US = Date.UTC(2026, 10, 21, 9) * 1_000
const LEDGER = 1
const SEED = 2
const CHATTER = 3

/** Records a session. @returns the last sequence; `model` is what the rows must be afterwards */
export async function recordLedger(options: RecordingOptions): Promise<{ last: number; model: LedgerModel }> {
  const { directory, session, ended = true, model = newModel() } = options
  const log = await LmdbEventLog.open({ directory, session })
  const writer = new SessionWriter(options, model)
  writer.begin()
  while (writer.sequence < options.events) writer.entry()
  if (ended) writer.end()
  const random = new Prng(options.seed + 1)
  for (let at = 0; at < writer.blocks.length; ) {
    const count = 1 + random.integer(0, 40 - 1)
    appendMessages(log, writer.blocks.slice(at, at + count), writer.timeUs)
    at += count
    if (log.pendingPackets > 1_000) await durable(log)
  }
  await durable(log)
  await log.close()
  return { last: writer.sequence, model }
}

class SessionWriter {
  readonly blocks: Uint8Array[] = []
  timeUs: number
  readonly #options: RecordingOptions
  readonly #model: LedgerModel
  readonly #random: Prng
  readonly #sourceSequences = new Map<number, number>()

  constructor(options: RecordingOptions, model: LedgerModel) {
    this.#options = options
    this.#model = model
    this.#random = new Prng(options.seed)
    this.timeUs = options.startUs ?? START_US
  }

  get sequence(): number {
    return this.blocks.length
  }

  begin(): void {
    const { session, predecessor = '', voters = [] } = this.#options
    const chain = { predecessor, predecessorSequence: 0, seeders: [], staticEvents: 0, staticHash: '' }
    const sizes = { protocolVersion: 1, datagramBytes: 1_400, fragmentBytes: 1_342 }
    this.#runtime(SESSION_STARTED, sessionStartedCodec.encode({ session, ...sizes, voters: [...voters], ...chain }))
    this.#register(LEDGER, 'ledger')
    if (predecessor !== '') this.#carryOver()
    this.#register(CHATTER, 'chatter')
  }

  entry(): void {
    const random = this.#random
    const { accounts = 20 } = this.#options
    this.timeUs += random.integer(0, 2_000 - 1)
    if (random.integer(0, 10 - 1) === 0) this.#runtime(TICK, new Uint8Array(0))
    if (random.integer(0, 8 - 1) === 0) this.#message(CHATTER, 'Refused', { key: '', account: '', reason: 'chatter' })
    const account = `A-${random.integer(0, accounts - 1)}`
    const known = this.#model.accounts.get(account)
    if (known === undefined) this.#open(account)
    else if (random.integer(0, 3 - 1) === 0 && known.balance > 0) this.#pay(known)
    else this.#deposit(known)
  }

  end(): void {
    const { successor = '' } = this.#options
    this.#runtime(SESSION_ENDED, sessionEndedCodec.encode({ reason: 'over', successor }))
  }

  #open(account: string): void {
    const owner = `owner of ${account}`
    this.#message(LEDGER, 'AccountOpened', { key: '', account, owner })
    this.#enter({ account, owner, balance: 0, entries: 0 }, 0, '')
  }

  #deposit(known: ExpectedAccount): void {
    const amount = 1 + this.#random.integer(0, 1_000 - 1)
    this.#message(LEDGER, 'Deposited', { key: '', account: known.account, amount })
    this.#enter(known, amount, '')
  }

  #pay(known: ExpectedAccount): void {
    const amount = 1 + this.#random.integer(0, known.balance - 1)
    const payee =
      this.#random.integer(0, 20 - 1) === 0 ? 'p'.repeat(1_000 + this.#random.integer(0, 4_000 - 1)) : 'somebody'
    this.#message(LEDGER, 'Paid', { key: '', account: known.account, amount, payee })
    this.#enter(known, -amount, payee)
  }

  #enter({ account, owner, balance, entries }: ExpectedAccount, amount: number, payee: string): void {
    const after = { account, owner, balance: balance + amount, entries: entries + 1 }
    this.#model.accounts.set(account, after)
    const { session } = this.#options
    const row = [amount, after.balance, payee.length, session, this.sequence]
    this.#model.entries.set(`${account}/${after.entries}`, row.join(' '))
  }

  #carryOver(): void {
    this.#register(SEED, 'ledger/seed', 'ledger')
    let events = 0
    for (const { account, owner, balance, entries } of this.#model.accounts.values()) {
      this.#message(SEED, 'AccountCarried', { account, owner, available: balance, balance, entries, keys: [] })
      events += 1
    }
    this.#append(SEED_DONE, SEED, seedDoneCodec.encode({ component: 'ledger', events, pending: 1 }))
    // A command that the last session had under way: it is new here.
    const [first] = this.#model.accounts.values()
    if (first === undefined) return
    this.#message(SEED, 'Deposited', { key: '', account: first.account, amount: 7 })
    this.#enter(first, 7, '')
  }

  #register(source: number, name: string, component = name): void {
    const registration = {
      name,
      nonce: source,
      exclusive: false,
      component,
      schemaHash: schema.hash,
      source,
      closes: 0,
    }
    this.#runtime(SOURCE_REGISTERED, sourceRegisteredCodec.encode(registration))
  }

  #runtime(type: number, payload: Uint8Array): void {
    this.#append(type, 0, payload)
  }

  #message<N extends Parameters<typeof schema.encode>[0]>(source: number, name: N, payload: object): void {
    const type = schema.typeOf(name) ?? 0
    const bytes = Uint8Array.from(schema.encode(name, schema.fromJson(name, payload)))
    const size = bytes.length > 1_342 ? 1_342 : Math.max(1, bytes.length)
    for (let at = 0; at < bytes.length; at += size) {
      const flags = (at === 0 ? FIRST_FRAGMENT : 0) | (at + size >= bytes.length ? LAST_FRAGMENT : 0)
      this.#append(type, source, bytes.slice(at, at + size), flags)
      // Others come in between.
      if ((flags & LAST_FRAGMENT) === 0) this.#message(CHATTER, 'Refused', { key: '', account: '', reason: 'between' })
    }
  }

  #append(type: number, source: number, payload: Uint8Array, flags = FIRST_FRAGMENT | LAST_FRAGMENT): void {
    const sourceSequence = (this.#sourceSequences.get(source) ?? 0) + 1
    this.#sourceSequences.set(source, sourceSequence)
    this.blocks.push(eventBytes({ type, source, sourceSequence, timeUs: this.timeUs, payload, flags }))
  }
}
