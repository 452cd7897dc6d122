/** `seqcast tail`: watches the events of a session, from any sequence on. */
import { Command } from 'commander'
import type { UntypedSchema } from '../component/schema.js'
import { SeqcastError } from '../core/errors.js'
import { ControlLink } from '../runtime/control-link.js'
import { DutyCycle } from '../runtime/duty-cycle.js'
import { EventLink } from '../runtime/event-link.js'
import type { Role, RoleOptions } from '../runtime/options.js'
import { Outcome } from '../runtime/outcome.js'
import { randomIncarnation, systemPlatform } from '../runtime/platform.js'
import { findOpenSession, findSession } from '../runtime/session-finder.js'
import { readU16 } from '../wire/bytes.js'
import { EVENT_HEADER_BYTES, eventType } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import { SESSION_ENDED, sessionEndedCodec } from '../wire/runtime-events.js'
import { readConfiguration, roleOptions, TOOL_DEFAULTS } from './configuration.js'
import { runRole } from './run-role.js'
import { addFaultOptions, addStreamOptions } from './stream-options.js'
import { type EventFilter, EventFormatter, typeNamed } from './tail-format.js'

export const tailCommand = new Command('tail')
  .description('watch and decode the events of a session')
  .option(
    '--from <sequence>',
    'begin with this event, and end with the last that there is (default: the next, and follow)',
  )
  .option('--count <n>', 'end after so many events')
  .option('--follow', 'with --from: go on with what comes, and wait for it')
  .option('--proto <file>', 'schema to decode application events with')
  .option('--type <name>', 'only events of this name or type number')
  .option('--source <name>', 'only events of this source, by name or number')
  .option('--all', 'the Tick events of an idle session too')
  .action(async (flags: Record<string, unknown>) => {
    // Here a type may go by its name.
    const { type, ...others } = flags
    const configuration = readConfiguration(others, TOOL_DEFAULTS)
    const options = roleOptions(configuration, 'tail')
    const { from, count, follow = from === undefined, proto, json, source, all = false } = configuration
    const { loadSchemaFile } = await import('../component/proto-file.js')
    const schema = proto === undefined ? undefined : await loadSchemaFile(proto)
    const filter = { type: typeof type === 'string' ? typeNamed(type, schema) : undefined, source, all }
    const tail = new Tail({ ...options, from, count: count ?? Number.POSITIVE_INFINITY, follow, schema, json, filter })
    try {
      await runRole(async () => {
        await tail.open()
        return tail
      }, options.logger)
    } finally {
      tail.close()
    }
    tail.check()
  })
addStreamOptions(tailCommand, 'warn')
addFaultOptions(tailCommand)

interface TailOptions extends RoleOptions {
  readonly from: number | undefined
  readonly count: number
  readonly follow: boolean
  readonly schema: UntypedSchema | undefined
  readonly json: boolean
  readonly filter: EventFilter
}

class Tail implements Role {
  readonly #options: TailOptions
  readonly #cycle: DutyCycle
  readonly #outcome = new Outcome()
  readonly #formatter: EventFormatter
  #control: ControlLink | undefined
  #events: EventLink | undefined
  #left: number
  #from = 1
  /** Another one of the chain where it goes on. */
  #session: string
  /** The session that goes on, where this one has ended; '' while it lasts. */
  #successor = ''
  #endedAt = 0
  /** The sequence at which it is over. */
  #end = Number.POSITIVE_INFINITY
  /** Where the stream was taken back to, and why, when that was learnt while it was being opened. */
  #revoked: { readonly next: number; readonly reason: string } | undefined

  constructor(options: TailOptions) {
    this.#options = options
    this.#session = options.session
    this.#cycle = new DutyCycle(systemPlatform(), options.idle)
    this.#formatter = new EventFormatter(options.schema, options.json, options.filter)
    this.#left = options.count
  }

  get done(): Promise<void> {
    return this.#outcome.promise
  }

  async stop(): Promise<void> {
    this.#outcome.stopped()
  }

  /** @throws SeqcastError E_SESSION_UNKNOWN, E_SEQUENCE_PAST_END, E_GROUP, E_INTERFACE */
  async open(): Promise<void> {
    const options = this.#options
    const incarnation = randomIncarnation()
    const fail = (error: SeqcastError): void => this.#outcome.failed(error)
    this.#cycle.start()
    this.#control = await ControlLink.open(options, incarnation, this.#cycle, fail)
    // Who wants an event of the past names its session; who wants what comes next wants it of the session that goes on.
    const { options: here, found } =
      options.from === undefined
        ? await findOpenSession(options, this.#control, this.#cycle)
        : { options, found: await findSession(options, this.#control, this.#cycle) }
    this.#session = here.session
    const from = options.from ?? found.nextSequence
    if (!options.follow) {
      if (from >= found.nextSequence) throw pastEnd(here.session, from, found.nextSequence)
      this.#end = found.nextSequence
    }
    this.#from = from
    // A receiver that is ahead of the stream takes it for one that was taken back: what is too early is skipped here.
    const nextSequence = Math.min(from, found.nextSequence)
    const startRewinding = nextSequence < found.nextSequence || !found.hasSequencer
    this.#events = await EventLink.open(
      { ...here, nextSequence, startRewinding, askSequencer: false, seed: incarnation },
      this.#cycle,
      this.#control,
      {
        deliver: (sequence, count, bytes, start) => this.#deliver(sequence, count, bytes, start),
        stateChanged: (state) => {
          if (state !== 'ended' || this.#successor !== '') return
          options.logger.info({ session: this.#session }, 'tail: the session has ended, nothing more will come')
          this.#outcome.stopped()
        },
        lost: (first, last, reason) => fail(lost(this.#session, first, last, reason)),
        revoked: (next, reason) => this.#onRevoked(next, reason),
      },
      fail,
    )
    if (this.#revoked !== undefined) this.#events.reopen(this.#revoked.next, false, this.#revoked.reason)
    if (this.#successor !== '') this.#awaitSuccessor(this.#events)
    options.logger.info({ session: this.#session, nextSequence }, 'tail: watching')
  }

  close(): void {
    this.#cycle.stop()
    this.#events?.close()
    this.#control?.close()
  }

  /** @throws SeqcastError E_PAYLOAD where something was shown undecoded that should have been decoded */
  check(): void {
    const { undecoded, firstUndecoded, firstProblem } = this.#formatter
    if (undecoded === 0) return
    throw new SeqcastError(
      'E_PAYLOAD',
      `${undecoded} payloads did not decode, the first one of event ${firstUndecoded}: ${firstProblem}`,
      {
        hint: 'they are shown in base64; is this the schema that the session was recorded with?',
        fields: { sequence: firstUndecoded, undecoded },
      },
    )
  }

  /** A failover has taken back what was shown from here on: that is said, and the branch that lives is shown from there. */
  #onRevoked(next: number, reason: string): void {
    this.#successor = ''
    process.stdout.write(this.#formatter.revoked(next))
    if (this.#events === undefined) this.#revoked = { next, reason }
    else this.#events.reopen(next, false, reason)
  }

  #deliver(first: number, count: number, bytes: Uint8Array, start: number): void {
    let text = ''
    let at = start
    const stop = Math.min(first + count, this.#end)
    for (let sequence = first; sequence < stop && this.#left > 0; sequence++) {
      const lengthBytes = readU16(bytes, at)
      if (eventType(bytes, at + BLOCK_LENGTH_BYTES) === SESSION_ENDED) {
        this.#onEnded(
          sequence,
          bytes.subarray(at + BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES, at + BLOCK_LENGTH_BYTES + lengthBytes),
        )
      }
      const line = this.#formatter.line(sequence, bytes, at + BLOCK_LENGTH_BYTES, lengthBytes)
      if (line !== '' && sequence >= this.#from) {
        text += line
        this.#left -= 1
      }
      at += BLOCK_LENGTH_BYTES + lengthBytes
    }
    if (text !== '') process.stdout.write(text)
    if (this.#left === 0 || stop === this.#end) this.#outcome.stopped()
  }

  /** Another session may go on: with --follow it is watched from its first event, as soon as the end of this one is stable. */
  #onEnded(sequence: number, payload: Uint8Array): void {
    this.#endedAt = sequence
    this.#successor = sessionEndedCodec.decode(payload)?.successor ?? ''
    if (this.#options.follow && this.#successor !== '' && this.#events !== undefined) this.#awaitSuccessor(this.#events)
  }

  #awaitSuccessor(events: EventLink): void {
    const successor = this.#successor
    events.expect(successor, this.#endedAt, () => {
      this.#options.logger.info({ from: this.#session, session: successor }, 'tail: goes on in another session')
      this.#session = successor
      this.#successor = ''
      this.#from = 1
      process.stdout.write(this.#formatter.began(successor))
      events.follow(successor, events.receiver.state === 'rewinding')
    })
  }
}

function pastEnd(session: string, from: number, next: number): SeqcastError {
  return new SeqcastError(
    'E_SEQUENCE_PAST_END',
    `session ${session} has no event ${from} yet: ${next === 1 ? 'it is empty' : `its last one is ${next - 1}`}`,
    { hint: 'give a sequence that is there, or --follow to wait for it', fields: { session, from, next } },
  )
}

function lost(session: string, from: number, to: number, reason: string): SeqcastError {
  return new SeqcastError('E_LOST', `events ${from} to ${to} of session ${session} can't be had: ${reason}`, {
    hint: 'start a store that has them (seqcast status shows who is there)',
    fields: { session, from, to },
  })
}
