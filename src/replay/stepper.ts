/**
 * Goes through a recording event by event, and tells at each stop what the event changed. A second player stays one event behind, so
 * that the state before is at hand without a copy of it.
 */
import type { CausedCommand, TrailPart } from './audit-trail.js'
import type { Breakpoint, Moment } from './breakpoint.js'
import { EventReader, keepEvent, type RecordedEvent } from './event-reader.js'
import type { Player } from './player.js'
import { diffValues } from './state-diff.js'

export interface Stop {
  /** The event that was played last; undefined before the first. */
  readonly event: RecordedEvent | undefined
  /** `step`: so many events were played. `break`: a breakpoint was reached. `end`: nothing follows. */
  readonly why: 'step' | 'break' | 'end'
  /** The breakpoint that was reached. */
  readonly breakpoint: string | undefined
  /** What the event did in each component in which it did anything. */
  readonly parts: readonly StopPart[]
  /** At the end, where breakpoints were looked for: those that none of the events reached. */
  readonly neverReached: readonly Breakpoint[]
}

export interface StopPart extends TrailPart {
  /** All of them; `changes` are the first. */
  readonly changesTotal: number
}

type OnCommand = (component: string, type: number, payload: Uint8Array) => void

export interface StepperOptions {
  /** Makes a player where the stepping begins, whose components tell `onCommand` of each command. Called twice. */
  readonly createPlayer: (onCommand: OnCommand) => Player
  readonly toSequence: number
  readonly breakpoints: readonly Breakpoint[]
  /** Changes that are told of each component. */
  readonly maxChanges: number
  /** Called now and then while it plays, with the last event that was played. */
  readonly progress?: (sequence: number) => void
}

const SLICE_RUNS = 256

export class Stepper {
  readonly player: Player
  readonly #behind: Player
  readonly #options: StepperOptions
  readonly #reader: EventReader
  readonly #breakpoints: Breakpoint[]
  readonly #reached = new Set<Breakpoint>()
  #event: RecordedEvent | undefined
  #commands: { readonly component: string; readonly command: CausedCommand }[] = []
  #timersBefore: readonly number[] = []

  constructor(options: StepperOptions) {
    this.#options = options
    this.#breakpoints = [...options.breakpoints]
    this.player = options.createPlayer((component, type, payload) => this.#onCommand(component, type, payload))
    this.#behind = options.createPlayer(() => {})
    const schemas = this.player.parts.map((part) => part.component.schema)
    this.#reader = new EventReader(schemas, (source) => this.player.sourceName(source))
  }

  addBreakpoint(breakpoint: Breakpoint): void {
    this.#breakpoints.push(breakpoint)
  }

  /** Plays up to this event without a stop, also over breakpoints. */
  async goTo(sequence: number): Promise<Stop> {
    return this.#stop(await this.#play(sequence, () => false), 'step')
  }

  /** Plays so many events. */
  async next(count: number): Promise<Stop> {
    return this.goTo(this.player.next + count - 1)
  }

  /** Plays until a breakpoint is reached. */
  async toBreakpoint(): Promise<Stop> {
    let reached: Breakpoint | undefined
    for (const breakpoint of this.#breakpoints) breakpoint.arm?.(this.#states())
    await this.#play(this.#options.toSequence, (event) => {
      const moment = this.#moment(event)
      for (const breakpoint of this.#breakpoints) {
        // Each is asked, because one that waits for a change looks at every event.
        if (!breakpoint.isReached(moment)) continue
        reached ??= breakpoint
        this.#reached.add(breakpoint)
      }
      return reached !== undefined
    })
    const stop = await this.#stop(reached !== undefined, 'break', reached?.text)
    if (stop.why !== 'end') return stop
    return { ...stop, neverReached: this.#breakpoints.filter((breakpoint) => !this.#reached.has(breakpoint)) }
  }

  close(): void {
    this.player.stop()
    this.#behind.stop()
  }

  /** @returns false where nothing follows */
  async #play(to: number, isOver: (event: RecordedEvent) => boolean): Promise<boolean> {
    const last = Math.min(to, this.#options.toSequence)
    let isStopped = false
    const visit = (sequence: number, bytes: Uint8Array, at: number, lengthBytes: number): boolean => {
      const event = this.#reader.read(sequence, bytes, at, lengthBytes)
      isStopped = isOver(event)
      const isLast = isStopped || sequence === last
      if (isLast) this.#event = keepEvent(event)
      else this.#pass()
      return !isLast
    }
    this.#pass()
    const before = this.player.next
    while (!isStopped && this.player.playEvents(last, SLICE_RUNS, visit)) {
      if (!isStopped) this.#options.progress?.(this.player.next - 1)
      await new Promise((resolve) => setImmediate(resolve))
    }
    for (const { failure } of this.player.parts) if (failure !== undefined) throw failure
    return isStopped || this.player.next > Math.max(before, last)
  }

  /** What was issued before the event at hand is not told. */
  #pass(): void {
    if (this.#commands.length > 0) this.#commands = []
    this.#timersBefore = this.player.parts.map(({ host }) => host.timersFired)
  }

  #onCommand(component: string, type: number, payload: Uint8Array): void {
    const schema = this.player.parts.find((part) => part.name === component)?.component.schema
    const name = schema?.nameOf(type)
    if (schema === undefined || name === undefined) return
    this.#commands.push({ component, command: { name, payload: schema.decode(type, payload, 0, payload.length) } })
  }

  #moment(event: RecordedEvent): Moment {
    return {
      event,
      state: this.player.parts[0]?.state,
      states: this.#states(),
      commands: this.#commands.map(({ command }) => command),
    }
  }

  #states(): Moment['states'] {
    return Object.fromEntries(this.player.parts.map((part) => [part.name, part.state]))
  }

  async #stop(isThere: boolean, why: 'step' | 'break', breakpoint?: string): Promise<Stop> {
    if (!isThere) return { event: undefined, why: 'end', breakpoint: undefined, parts: [], neverReached: [] }
    await this.#catchUp()
    const parts = this.player.parts.flatMap((part, i): StopPart[] => {
      const { changes, total } = diffValues(this.#behind.parts[i]?.state, part.state, this.#options.maxChanges)
      const commands = this.#commands.flatMap(({ component, command }) => (component === part.name ? [command] : []))
      const timersFired = part.host.timersFired - (this.#timersBefore[i] ?? 0)
      if (total + commands.length + timersFired === 0) return []
      return [{ component: part.name, changes, changesTotal: total, commands, timersFired }]
    })
    return { event: this.#event, why, breakpoint, parts, neverReached: [] }
  }

  /** Brings the second player to the event before the one at hand. */
  async #catchUp(): Promise<void> {
    while (this.#behind.playRuns(this.player.next - 2, SLICE_RUNS)) {
      this.#options.progress?.(this.#behind.next - 1)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
