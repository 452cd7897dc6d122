/** A version that is played in this process. */
import type { Component } from '../../component/definition.js'
import type { SeqcastError } from '../../core/errors.js'
import type { EventLogReader } from '../../protocol/event-log.js'
import { readU16 } from '../../wire/bytes.js'
import { EVENT_HEADER_BYTES, eventType } from '../../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../../wire/moldudp64.js'
import { SOURCE_REGISTERED, sourceRegisteredCodec } from '../../wire/runtime-events.js'
import { EventReader } from '../event-reader.js'
import { diffValues } from '../state-diff.js'
import { comparableCommand } from './command-hash.js'
import { type CompareMode, ComparePlayer } from './compare-player.js'
import { IgnoredPaths } from './ignored-paths.js'
import { changedKeys, copyWithKeys, type LargeKeys, noteChanges } from './large-look.js'
import type { Moment, PlayEnd, PlayRequest, Side, SideCommand, SideDescription, SideFailure, Stretch } from './side.js'

export interface LocalSideOptions {
  readonly component: Component
  readonly session: string
  /** The recording; it must have the session from its first event on. */
  readonly log: EventLogReader
  /** The last event that is played. */
  readonly toSequence: number
  /** Parts of the state that are not compared. */
  readonly ignore?: readonly string[]
  readonly guard?: boolean
}

/** Events whose hashes are told at once. */
const STRETCH_EVENTS = 16_384
const SLICE_PACKETS = 256

export class LocalSide implements Side {
  readonly #options: LocalSideOptions
  readonly #ignored: IgnoredPaths | undefined

  constructor(options: LocalSideOptions) {
    this.#options = options
    this.#ignored = IgnoredPaths.of(options.ignore ?? [])
  }

  async describe(): Promise<SideDescription> {
    const { name, schema, handlers, timers, effects } = this.#options.component
    const namesOf = (table: readonly unknown[]): string[] =>
      table.flatMap((entry, type) => (entry === undefined ? [] : [schema.nameOf(type) ?? `type ${type}`]))
    return {
      component: name,
      schemaHash: schema.hash,
      schema: schema.descriptor,
      handlers: namesOf(handlers),
      timers: [...timers.keys()],
      effects: namesOf(effects),
    }
  }

  async play(request: PlayRequest, onStretch: (stretch: Stretch) => boolean): Promise<PlayEnd> {
    let commands = 0
    const player = this.#player(request.mode, request.byName, () => commands++)
    const chain = new ChainWriter(onStretch)
    chain.add(player.a, player.b)
    let isSound = true
    let nextCheck = STRETCH_EVENTS
    await this.#run(player, this.#options.toSequence, () => {
      chain.add(player.a, player.b)
      // The whole state is read each time, so twice as far away each time.
      if (player.nextSequence <= nextCheck) return !chain.isOver
      nextCheck *= 2
      isSound &&= player.check()
      return isSound && !chain.isOver
    })
    chain.flush()
    isSound &&= player.check()
    if (isSound && !chain.isOver && request.mode === 'watched') isSound = await this.#isSameWhenPlain(player, request)
    return { sequence: player.nextSequence - 1, failure: failureOf(player.failure), isSound, commands }
  }

  async moment(sequence: number, keys: LargeKeys): Promise<Moment> {
    const { component, session } = this.#options
    const commands: SideCommand[] = []
    let isAt = sequence === 0
    const { schema } = component
    const player = this.#player('plain', true, (type, payload) => {
      if (!isAt) return
      const name = schema.nameOf(type) ?? `type ${type}`
      const payloadNow = schema.toJson(name, schema.decode(type, payload, 0, payload.length))
      commands.push({ name, payload: payloadNow, comparable: comparableCommand(schema, type, payload) })
    })
    await this.#run(player, sequence - 1)
    isAt = true
    const before = sequence === 0 ? undefined : copyWithKeys(player.state, keys)
    if (sequence > 0) noteChanges(player.state)
    const hashBefore = player.stateHash()
    if (player.failure === undefined) await this.#run(player, sequence)
    const hashAfter = player.stateHash()
    const { failure, timeUs } = player
    const largeKeys = changedKeys(player.state)
    // A copy that can go to another process.
    const state = copyWithKeys(player.state, keys)
    return {
      ...{ sequence, timeUs, state, commands, hashBefore, hashAfter, largeKeys },
      event: sequence === 0 ? undefined : describe(this.#options, sequence, session),
      timers: player.timers(),
      changes: sequence === 0 ? { changes: [], total: 0 } : diffValues(before, state),
      failure: failureOf(failure),
    }
  }

  /** Handlers that behave otherwise where the state is watched must not decide. */
  async #isSameWhenPlain(watched: ComparePlayer, request: PlayRequest): Promise<boolean> {
    const plain = this.#player('plain', request.byName)
    await this.#run(plain, watched.nextSequence - 1)
    return plain.failure?.message === watched.failure?.message && plain.finalHash() === watched.finalHash()
  }

  #player(mode: CompareMode, byName: boolean, command?: (type: number, payload: Uint8Array) => void): ComparePlayer {
    const { component, session, guard = true } = this.#options
    const ignored = this.#ignored
    return new ComparePlayer({ component, session, mode, ignored, byName, guard, ...(command && { command }) })
  }

  /** @param after is called after each event, and returns false to end it */
  async #run(player: ComparePlayer, to: number, after: () => boolean = () => true): Promise<void> {
    const { log } = this.#options
    let goesOn = true
    const isOver = (): boolean => !goesOn || player.failure !== undefined || player.nextSequence > to
    for (let before = 0; !isOver() && player.nextSequence !== before; ) {
      before = player.nextSequence
      log.read(before, SLICE_PACKETS, (sequence, count, bytes, start) => {
        player.onRun(sequence, Math.min(count, to - sequence + 1), bytes, start, () => {
          goesOn &&= after()
        })
        return !isOver()
      })
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

/** Collects hashes, and gives them on in stretches. */
class ChainWriter {
  isOver = false
  readonly #onStretch: (stretch: Stretch) => boolean
  #chain = new Int32Array(STRETCH_EVENTS * 2)
  #used = 0
  #first = 0

  constructor(onStretch: (stretch: Stretch) => boolean) {
    this.#onStretch = onStretch
  }

  add(a: number, b: number): void {
    this.#chain[this.#used++] = a
    this.#chain[this.#used++] = b
    if (this.#used === this.#chain.length) this.flush()
  }

  flush(): void {
    if (this.#used === 0 || this.isOver) return
    this.isOver = !this.#onStretch({ first: this.#first, chain: this.#chain.slice(0, this.#used) })
    this.#first += this.#used / 2
    this.#used = 0
  }
}

/** The event in words, with the name of who sent it. */
function describe({ component, log }: LocalSideOptions, wanted: number, session: string): Moment['event'] {
  const names = new Map<number, string>()
  const reader = new EventReader([component.schema], (source) => names.get(source))
  let found: Moment['event']
  log.read(1, Number.POSITIVE_INFINITY, (sequence, count, bytes, start) => {
    let at = start
    for (let i = 0; i < count && found === undefined; i++) {
      const lengthBytes = readU16(bytes, at)
      at += BLOCK_LENGTH_BYTES
      if (lengthBytes >= EVENT_HEADER_BYTES && eventType(bytes, at) === SOURCE_REGISTERED) {
        const registered = sourceRegisteredCodec.decode(bytes.subarray(at + EVENT_HEADER_BYTES, at + lengthBytes))
        if (registered !== undefined) names.set(registered.source, registered.name)
      }
      const event = reader.read(sequence + i, bytes, at, lengthBytes)
      if (sequence + i === wanted) {
        const { name, sourceName, payload } = event
        found = { name, sourceName, payload }
      }
      at += lengthBytes
    }
    return found === undefined
  })
  if (found === undefined) throw new Error(`event ${wanted} of session ${session} is not there any more`)
  return found
}

function failureOf(error: SeqcastError | undefined): SideFailure | undefined {
  return error === undefined ? undefined : { code: error.code, message: error.message }
}
