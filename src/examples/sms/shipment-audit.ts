/**
 * Whether the events of several sessions in a row tell one complete and continuous history of each shipment: every scan once and in
 * its order, every answer once and after what it answers, and each session beginning with exactly the shipments that the one before
 * had not finished, as they were.
 *
 * Feed it the sessions in their order: `begin`, `onEvent` for each application event, `opened` where `SessionOpened` lies, `end`.
 */
import type { ShipmentCarried, SmsMessages } from './generated/sms.js'
import type { Routes } from './network.js'
import type { Scan } from './scans.js'
import { type Answer, ShipmentBook } from './shipment-book.js'

export interface SessionReport {
  readonly session: string
  /** Shipments that it began with. */
  carried: number
  scans: number
  /** What followed from scans of it, or of sessions before. */
  answers: number
  /** Answers to scans of sessions before. */
  late: number
  /** Scans that came once more, and were dropped. */
  repeats: number
}

export interface AuditReport {
  readonly sessions: readonly SessionReport[]
  readonly scans: number
  readonly shipments: number
  readonly delivered: number
  readonly rejected: number
  /** Shipments whose history lies in so many sessions: the first number is of those within one. */
  readonly histories: readonly number[]
  readonly problems: readonly string[]
}

/** Of what is wrong: more is only more of the same. */
const KEPT_PROBLEMS = 20

type Handlers = { readonly [N in keyof SmsMessages]?: (payload: SmsMessages[N]) => void }

export class ShipmentAudit {
  readonly #scans: readonly Scan[]
  readonly #book: ShipmentBook
  readonly #sessions: SessionReport[] = []
  /** By key: the answers that are not there yet, and the session of the scan. */
  readonly #owed = new Map<number, { readonly answers: Answer[]; readonly session: number }>()
  /** By shipment: the sessions of its history. */
  readonly #histories = new Map<string, Set<number>>()
  readonly #problems: string[] = []
  /** What the session must bring back before it opens. */
  #awaited = new Map<string, unknown>()
  #isOpen = false
  #lastKey = 0
  #delivered = 0
  #rejected = 0
  #now: SessionReport = { session: '', carried: 0, scans: 0, answers: 0, late: 0, repeats: 0 }

  constructor(scans: readonly Scan[], routes: Routes) {
    this.#scans = scans
    this.#book = new ShipmentBook(routes)
  }

  /** The key of the last scan so far. */
  get lastKey(): number {
    return this.#lastKey
  }

  begin(session: string): void {
    this.#now = { session, carried: 0, scans: 0, answers: 0, late: 0, repeats: 0 }
    this.#sessions.push(this.#now)
    this.#isOpen = false
    this.#awaited = new Map([...this.#book.live].map(([shipment, known]) => [shipment, { ...known }]))
  }

  opened(): void {
    this.#isOpen = true
    for (const shipment of this.#awaited.keys()) this.#problem(`${shipment} was not carried over`)
  }

  onEvent<N extends keyof SmsMessages>(name: N, payload: SmsMessages[N]): void {
    const isSeed = SEED.has(name)
    if (isSeed === this.#isOpen) this.#problem(`${name} ${isSeed ? 'after' : 'before'} the opening`)
    const handler = this.#on[name]
    if (handler !== undefined) handler(payload)
    else this.#answer(name, payload)
  }

  /** To be called when nothing is under way any more. @param isComplete all scans of the file must be there */
  report(isComplete: boolean): AuditReport {
    if (isComplete && this.#lastKey !== this.#scans.length)
      this.#problem(`${this.#lastKey} of ${this.#scans.length} scans`)
    for (const [key, { answers }] of this.#owed) this.#problem(`scan ${key} has no ${answers[0]?.name}`)
    const spans = [...this.#histories.values()].map(({ size }) => size)
    return {
      sessions: this.#sessions,
      scans: this.#lastKey,
      shipments: this.#histories.size,
      delivered: this.#delivered,
      rejected: this.#rejected,
      histories: this.#sessions.map((_, i) => spans.filter((span) => span === i + 1).length),
      problems: this.#problems,
    }
  }

  readonly #on: Handlers = {
    FacilityAdded: () => {},
    RouteAdded: () => {},
    ShipmentLate: () => {},
    ShipmentCarried: (payload) => this.#carried(payload),
    ScansCarried: ({ key }) => {
      if (key !== this.#lastKey) this.#problem(`the last scan was ${this.#lastKey}, and ${key} was carried over`)
    },
    ShipmentExpected: ({ key, ...scan }) => this.#scanned(key, { scan: 'expected', ...scan }),
    ShipmentArrived: ({ key, ...scan }) => this.#scanned(key, { scan: 'arrived', ...scan }),
    ShipmentHandedOver: ({ key, ...scan }) => this.#scanned(key, { scan: 'handed-over', ...scan }),
  }

  #scanned(key: number, scan: Scan): void {
    const expected = this.#scans[key - 1]
    if (expected === undefined || !isSame(expected, scan)) {
      this.#problem(`scan ${key} is ${JSON.stringify(scan)}, and not ${JSON.stringify(expected)}`)
    }
    if (key <= this.#lastKey) {
      this.#now.repeats += 1
      return
    }
    if (key !== this.#lastKey + 1) this.#problem(`scan ${key} follows scan ${this.#lastKey}`)
    this.#lastKey = key
    this.#now.scans += 1
    const answers = this.#book.scan(key, scan)
    if (answers.length > 0) this.#owed.set(key, { answers, session: this.#sessions.length })
    this.#note(scan.shipment)
  }

  #answer(name: keyof SmsMessages, payload: SmsMessages[keyof SmsMessages]): void {
    const key = 'key' in payload ? payload.key : 0
    const owed = this.#owed.get(key)
    const next = owed?.answers.shift()
    if (owed === undefined || next?.name !== name || !isSame(next.payload, payload)) {
      this.#problem(
        `${name} ${JSON.stringify(payload)} where ${next === undefined ? 'nothing' : JSON.stringify(next)} must come`,
      )
      return
    }
    if (owed.answers.length === 0) this.#owed.delete(key)
    this.#now.answers += 1
    if (owed.session !== this.#sessions.length) this.#now.late += 1
    if (next.name === 'ShipmentDelivered') this.#delivered += 1
    else if (next.name === 'ShipmentRejected') this.#rejected += 1
    else if (next.name === 'ShipmentInTransit') this.#book.routed(next.payload)
    else if (next.name === 'ShipmentOutForDelivery') {
      this.#book.routed({ ...next.payload, from: next.payload.facility, to: '' })
    }
    this.#note(next.payload.shipment)
  }

  #carried({ lateUs, ...carried }: ShipmentCarried): void {
    const { shipment } = carried
    const before = this.#awaited.get(shipment)
    this.#now.carried += 1
    if (!this.#awaited.delete(shipment)) this.#problem(`${shipment} was carried over, and is none that lives`)
    else if (!isSame(before, carried)) {
      this.#problem(`${shipment} was ${JSON.stringify(before)}, and is carried over as ${JSON.stringify(carried)}`)
    }
    if (lateUs > 0 !== (carried.status === 'IN_TRANSIT'))
      this.#problem(`${shipment} is ${carried.status}, late at ${lateUs}`)
    this.#note(shipment)
  }

  #note(shipment: string): void {
    const sessions = this.#histories.get(shipment)
    if (sessions === undefined) this.#histories.set(shipment, new Set([this.#sessions.length]))
    else sessions.add(this.#sessions.length)
  }

  #problem(what: string): void {
    if (this.#problems.length < KEPT_PROBLEMS) this.#problems.push(`${this.#now.session}: ${what}`)
  }
}

const SEED: ReadonlySet<keyof SmsMessages> = new Set(['FacilityAdded', 'RouteAdded', 'ShipmentCarried', 'ScansCarried'])

/** Of flat objects, whatever the order of their fields. */
function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const [left, right] = [sorted(a), sorted(b)]
  return JSON.stringify(left) === JSON.stringify(right)
}

function sorted(value: object): [string, unknown][] {
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
}
