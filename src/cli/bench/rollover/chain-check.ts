/**
 * What came of a chain of sessions, read from the stores' logs after every process has ended: the check trusts nothing that a
 * process has said while it ran.
 */
import { readFileSync } from 'node:fs'
import { schema } from '../../../examples/sms/generated/sms.js'
import { readRoutes } from '../../../examples/sms/scan-generator.js'
import type { Scan } from '../../../examples/sms/scans.js'
import { type AuditReport, ShipmentAudit } from '../../../examples/sms/shipment-audit.js'
import { FIRST_APPLICATION_TYPE } from '../../../wire/event.js'
import {
  EFFECT_DONE,
  EFFECT_OWED,
  EPOCH_OPENED,
  effectDoneCodec,
  effectOwedCodec,
  SESSION_ENDED,
  SESSION_OPENED,
  SESSION_STARTED,
  type SessionEnded,
  sessionEndedCodec,
  sessionStartedCodec,
} from '../../../wire/runtime-events.js'
import { type ChainEvent, readSession } from './chain-reader.js'
import { EffectsAudit, type EffectsReport } from './effects-audit.js'
import { STATIC_FILE } from './plan.js'

export interface ChainCheckOptions {
  /** By store: all of them must have the same. */
  readonly directories: ReadonlyMap<string, string>
  /** In the order of the chain. */
  readonly sessions: readonly string[]
  readonly scans: readonly Scan[]
  /** All scans must be there, and not only those up to some moment. */
  readonly isComplete: boolean
  /** Where the notifier wrote. */
  readonly notifications: string
}

/** One end of a session and the beginning of the next one, by the times of the events. */
export interface Rollover {
  readonly from: string
  readonly to: string
  /** From the last scan of the one to the first scan of the other. */
  readonly pauseMs: number
  /** From `SessionEnded` to `SessionStarted`, and from there to `SessionOpened`. */
  readonly endMs: number
  readonly seedMs: number
  /** Events between the beginning and the opening. */
  readonly seedEvents: number
}

export interface ChainReport {
  readonly events: number
  /** While scans came: events of all sources but the sequencer. */
  readonly commandsPerSecond: number
  readonly rollovers: readonly Rollover[]
  readonly shipments: AuditReport
  readonly effects: EffectsReport
  readonly problems: readonly string[]
}

/** The moments of a session, in microseconds. */
interface Moments {
  readonly session: string
  startedUs: number
  openedUs: number
  endedUs: number
  firstScanUs: number
  lastScanUs: number
  openedSequence: number
  lastSequence: number
  /** Events of the sources between the first scan and the last. */
  commands: number
  commandsUntilScan: number
  /** The events that say its end: later reigns may say it again. */
  readonly ends: number[]
  /** The newest event is its end. */
  endsWell: boolean
  ended: SessionEnded | undefined
}

const EFFECTS: ReadonlySet<string> = new Set(['ShipmentDelivered', 'ShipmentRejected'])
const SCANS: ReadonlySet<string> = new Set(['ShipmentExpected', 'ShipmentArrived', 'ShipmentHandedOver'])

export async function checkChain(options: ChainCheckOptions): Promise<ChainReport> {
  const chain = new Chain(new ShipmentAudit(options.scans, await readRoutes(STATIC_FILE)))
  const [[name, directory] = ['', ''], ...others] = options.directories
  for (const session of options.sessions) {
    const extent = await readSession(directory, session, chain.begin(session))
    for (const [other, path] of others) {
      const { lastSequence, checksum } = await readSession(path, session, () => {})
      if (lastSequence === extent.lastSequence && checksum === extent.checksum) continue
      chain.problem(
        `${session}: ${other} has ${lastSequence} events, checksum ${checksum}; ${name} has ${extent.lastSequence}, ${extent.checksum}`,
      )
    }
  }
  return chain.report(options)
}

class Chain {
  readonly #audit: ShipmentAudit
  readonly #effects = new EffectsAudit()
  readonly #moments: Moments[] = []
  readonly #problems: string[] = []
  #events = 0

  constructor(audit: ShipmentAudit) {
    this.#audit = audit
  }

  problem(what: string): void {
    this.#problems.push(what)
  }

  /** @returns what takes the session's events */
  begin(session: string): (event: ChainEvent) => void {
    const nothing = { startedUs: Number.NaN, openedUs: Number.NaN, endedUs: Number.NaN }
    const noScan = { firstScanUs: Number.NaN, lastScanUs: Number.NaN }
    const moments: Moments = {
      session,
      ...nothing,
      ...noScan,
      openedSequence: 0,
      lastSequence: 0,
      commands: 0,
      commandsUntilScan: 0,
      ends: [],
      endsWell: false,
      ended: undefined,
    }
    this.#moments.push(moments)
    this.#audit.begin(session)
    this.#effects.begin()
    return (event) => this.#onEvent(event, moments)
  }

  report({ isComplete, notifications }: ChainCheckOptions): ChainReport {
    const shipments = this.#audit.report(isComplete)
    const effects = this.#effects.report(readText(notifications))
    const rollovers = this.#moments.slice(1).flatMap((now, i) => {
      const before = this.#moments[i]
      return before === undefined ? [] : [rolloverOf(before, now)]
    })
    const problems = [...this.#problems, ...shipments.problems, ...effects.problems]
    return { events: this.#events, commandsPerSecond: rateOf(this.#moments), rollovers, shipments, effects, problems }
  }

  #onEvent(event: ChainEvent, moments: Moments): void {
    const { session, sequence, type, payload, timeUs } = event
    this.#events += 1
    if (sequence !== moments.lastSequence + 1)
      this.problem(`${session}: event ${sequence} follows ${moments.lastSequence}`)
    // An end that was not stable when its sequencer died is said once more in the next epoch.
    const mayFollow = type === EPOCH_OPENED || type === SESSION_ENDED
    if (moments.ended !== undefined && !mayFollow) this.problem(`${session}: event ${sequence} comes after the end`)
    moments.endsWell = type === SESSION_ENDED
    moments.lastSequence = sequence
    if (event.source !== 0 && !Number.isNaN(moments.firstScanUs)) moments.commands += 1
    if (type >= FIRST_APPLICATION_TYPE) this.#onApplicationEvent(event, moments)
    else if (type === SESSION_STARTED) {
      moments.startedUs = timeUs
      this.#checkBeginning(moments, payload, timeUs)
    } else if (type === SESSION_OPENED) {
      moments.openedUs = timeUs
      moments.openedSequence = sequence
      this.#audit.opened()
      this.#effects.opened(event)
    } else if (type === SESSION_ENDED) {
      moments.ends.push(sequence)
      if (moments.ends.length === 1) moments.endedUs = timeUs
      moments.ended = sessionEndedCodec.decode(payload)
    } else if (type === EFFECT_OWED)
      this.#decoded(event, effectOwedCodec.decode(payload), (owed) => this.#effects.onOwed(event, owed))
    else if (type === EFFECT_DONE)
      this.#decoded(event, effectDoneCodec.decode(payload), (done) => this.#effects.onDone(event, done))
  }

  #onApplicationEvent(event: ChainEvent, moments: Moments): void {
    const { type, payload, timeUs } = event
    const name = schema.nameOf(type)
    if (name === undefined) {
      this.problem(`${event.session}: event ${event.sequence} has type ${type}`)
      return
    }
    const decoded = schema.decode(type, payload, 0, payload.length)
    this.#audit.onEvent(name, decoded)
    if (EFFECTS.has(name) && 'shipment' in decoded) this.#effects.onEvent(event, decoded.shipment)
    if (!SCANS.has(name)) return
    if (Number.isNaN(moments.firstScanUs)) moments.firstScanUs = timeUs
    moments.lastScanUs = timeUs
    moments.commandsUntilScan = moments.commands
  }

  /** Each session names the one before and its end, and that one names it. */
  #checkBeginning({ session }: Moments, payload: Uint8Array, timeUs: number): void {
    const started = sessionStartedCodec.decode(payload)
    const before = this.#moments.at(-2)
    const ends = before?.ends ?? [0]
    if (started?.predecessor !== (before?.session ?? '') || !ends.includes(started.predecessorSequence)) {
      const named = `${started?.predecessor} with its event ${started?.predecessorSequence}`
      this.problem(`${session} names ${named} as the one before, which is ${before?.session} with ${ends.join(' or ')}`)
    }
    if (before === undefined) return
    if (before.ended?.successor !== session)
      this.problem(`${before.session} names '${before.ended?.successor}' as the next one, and not ${session}`)
    if (!before.endsWell) this.problem(`${before.session} has not ended, and ${session} begins`)
    if (timeUs < before.endedUs) this.problem(`${session} begins before ${before.session} has ended`)
  }

  #decoded<T>({ session, sequence }: ChainEvent, value: T | undefined, use: (value: T) => void): void {
    if (value === undefined) this.problem(`${session}: event ${sequence} can't be decoded`)
    else use(value)
  }
}

function rolloverOf(before: Moments, now: Moments): Rollover {
  return {
    from: before.session,
    to: now.session,
    pauseMs: (now.firstScanUs - before.lastScanUs) / 1_000,
    endMs: (now.startedUs - before.endedUs) / 1_000,
    seedMs: (now.openedUs - now.startedUs) / 1_000,
    seedEvents: now.openedSequence - 1,
  }
}

function rateOf(sessions: readonly Moments[]): number {
  const scanning = sessions.filter(({ firstScanUs, lastScanUs }) => lastScanUs > firstScanUs)
  const us = scanning.reduce((sum, { firstScanUs, lastScanUs }) => sum + lastScanUs - firstScanUs, 0)
  const commands = scanning.reduce((sum, { commandsUntilScan }) => sum + commandsUntilScan, 0)
  return us === 0 ? 0 : Math.round((commands * 1_000_000) / us)
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
