/** What can be said while a recording is stepped through, and what is shown at each stop. */
import { SeqcastError } from '../core/errors.js'
import { type Breakpoint, breakOnChange, breakWhen } from '../replay/breakpoint.js'
import { placeAt } from '../replay/entity.js'
import { stateToJson } from '../replay/state-json.js'
import { valueAt } from '../replay/state-path.js'
import { valueText } from '../replay/state-text.js'
import type { Stepper, Stop } from '../replay/stepper.js'
import type { LmdbLogReader } from '../store/lmdb-log-reader.js'
import { eventLine, eventToJson, lineWidth, partLines, partToJson, STYLE, timeText } from './moment-text.js'
import { bold, dim, print } from './output.js'
import { momentOf, type Range } from './range.js'

export interface StepConsoleOptions {
  readonly log: LmdbLogReader
  readonly range: Range
  readonly json: boolean
  readonly session: string
  /** Shown at each breakpoint. */
  readonly path: string | undefined
  /** A stepper that has played up to an event. */
  readonly open: (sequence: number) => Promise<Stepper>
  /** Called before anything is shown: the work for it is done. */
  readonly barOver: () => void
  /** Somebody sits at a terminal. */
  readonly isAsking: boolean
}

const HELP = `  Enter, n [N]     the next event, or the next N
  c                on to the next breakpoint, or to the end
  g MOMENT         go to an event or to a time, forward or back
  u [N]            back by one event, or by N
  p [PATH]         show the state, or what lies at a path: p orders[42]
  t                show the timers
  b EXPRESSION     stop where it is true: b payload.orderId === 42 && state.open.size > 3
  w PATH           stop where what lies there has changed: w orders[42].shares
  h                this
  q                end`

/** Entries of each collection that are shown. */
const LIMIT = 20

export class StepConsole {
  readonly #options: StepConsoleOptions
  #stepper: Stepper
  /** Breakpoints that were set by hand, to be set again after a way back. */
  readonly #expressions: string[] = []
  readonly #watched: string[] = []

  constructor(options: StepConsoleOptions, stepper: Stepper) {
    this.#options = options
    this.#stepper = stepper
  }

  get prompt(): string {
    return `${this.#at}/${this.#options.range.to} > `
  }

  /** The last event that was played. */
  get #at(): number {
    return this.#stepper.player.next - 1
  }

  begin(): void {
    this.#options.barOver()
    const { range, session, isAsking, json } = this.#options
    if (json || !isAsking) return
    const names = this.#stepper.player.parts.map(({ name }) => bold(name)).join(', ')
    this.#say(`${names}: session ${session} after event ${this.#at} of ${range.to}; h for help`)
  }

  /** @returns false where it is over. @throws SeqcastError E_USAGE for what it does not understand; what a component failed of */
  async obey(line: string): Promise<boolean> {
    try {
      return await this.#obey(line)
    } finally {
      this.#options.barOver()
    }
  }

  async #obey(line: string): Promise<boolean> {
    const [, word = '', rest = ''] = /^(\S*)\s*(.*)$/s.exec(line) ?? []
    switch (word) {
      case '':
      case 'n':
        await this.#next(countOf(rest))
        return true
      case 'c':
        await this.toBreakpoint()
        return true
      case 'g':
        await this.#goTo(momentOf(this.#options.log, rest, 'g'))
        return true
      case 'u':
        await this.#goTo(Math.max(0, this.#at - countOf(rest)))
        return true
      case 'p':
        this.#showState(rest)
        return true
      case 't':
        this.#showTimers()
        return true
      case 'b':
        this.#stepper.addBreakpoint(breakWhen(rest))
        this.#expressions.push(rest)
        return true
      case 'w':
        this.#stepper.addBreakpoint(breakOnChange(rest))
        this.#watched.push(rest)
        return true
      case 'h':
        this.#say(HELP)
        return true
      case 'q':
        return false
      default:
        throw new SeqcastError('E_USAGE', `'${line}' is nothing that can be done here`, { hint: `there is\n${HELP}` })
    }
  }

  async toBreakpoint(): Promise<void> {
    const stop = await this.#stepper.toBreakpoint()
    this.#show(stop)
    const { path } = this.#options
    if (stop.why === 'break' && path !== undefined) this.#showState(path, true)
  }

  close(): void {
    this.#stepper.close()
  }

  async #next(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const stop = await this.#stepper.next(1)
      this.#show(stop)
      if (stop.why === 'end') return
    }
  }

  /** Back is forward again from where the replay can begin. */
  async #goTo(sequence: number): Promise<void> {
    const target = Math.min(sequence, this.#options.range.to)
    if (target <= this.#at) {
      const stepper = await this.#options.open(Math.max(0, target - 1))
      for (const expression of this.#expressions) stepper.addBreakpoint(breakWhen(expression))
      for (const path of this.#watched) stepper.addBreakpoint(breakOnChange(path))
      this.#stepper.close()
      this.#stepper = stepper
    }
    if (target > this.#at) this.#show(await this.#stepper.goTo(target))
  }

  #show(stop: Stop): void {
    this.#options.barOver()
    const { event, why, breakpoint, parts, neverReached } = stop
    const never = neverReached.map(neverText)
    if (this.#options.json) {
      const what = event === undefined ? { sequence: this.#at } : eventToJson(event)
      const said = never.length === 0 ? {} : { neverReached: never }
      print(true, { why, breakpoint, ...what, parts: parts.map(partToJson), ...said }, () => '')
    } else if (event === undefined) {
      const end = dim(`nothing follows event ${this.#at}${this.#isAtEnd ? '' : ' here'}`)
      this.#say([...never.map((text) => `never reached: ${text}`), end].join('\n'))
    } else {
      const isNamed = this.#stepper.player.parts.length > 1
      const reached = breakpoint === undefined ? [] : [`stopped: ${bold(breakpoint)}`]
      this.#say([...reached, eventLine(event), ...parts.flatMap((part) => partLines(part, isNamed))].join('\n'))
    }
  }

  get #isAtEnd(): boolean {
    return this.#at >= this.#options.range.to
  }

  /** @param isOptional the place may not be there */
  #showState(path: string, isOptional = false): void {
    const { parts } = this.#stepper.player
    for (const { name, state } of parts) {
      // Of several components one has it.
      const value = isOptional || parts.length > 1 ? placeAt(state, path)?.value : valueAt(state, path).value
      const text = (): string => {
        const lines = valueText(value, { limit: LIMIT, width: lineWidth() - 2, style: STYLE }).split('\n')
        return [`${bold(name)}${path === '' ? '' : ` ${path}`}`, ...lines.map((line) => `  ${line}`)].join('\n')
      }
      print(this.#options.json, { component: name, sequence: this.#at, path, state: stateToJson(value) }, text)
    }
  }

  #showTimers(): void {
    for (const { name, host } of this.#stepper.player.parts) {
      const timers = host.timers()
      const text = (): string =>
        [
          `${bold(name)}: ${timers.length === 0 ? 'no timer runs' : ''}`,
          ...timers.slice(0, LIMIT).map((timer) => `  ${timeText(timer.dueUs)}  ${timer.name}(${timer.key})`),
          ...(timers.length > LIMIT ? [dim(`  … and ${timers.length - LIMIT} more`)] : []),
        ].join('\n')
      const plain = timers.map((timer) => ({ name: timer.name, key: timer.key, dueUs: timer.dueUs }))
      print(this.#options.json, { component: name, sequence: this.#at, timers: plain }, text)
    }
  }

  #say(text: string): void {
    process.stdout.write(`${text}\n`)
  }
}

/** A name that is misspelt is told from what did not happen. */
function neverText(breakpoint: Breakpoint): string {
  const fields = breakpoint.missing?.() ?? []
  if (fields.length > 0) return `${breakpoint.text} (no event has a field ${fields.join(', ')})`
  const reason = breakpoint.failing?.()
  return reason === undefined ? breakpoint.text : `${breakpoint.text} (it fails at every event: ${reason})`
}

/** @throws SeqcastError E_USAGE */
function countOf(text: string): number {
  if (text === '') return 1
  if (/^[1-9][0-9]{0,9}$/.test(text)) return Number(text)
  throw new SeqcastError('E_USAGE', `'${text}' is no count of events`, { hint: 'give a whole number from 1 on' })
}
