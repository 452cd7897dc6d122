/**
 * A checkpoint: all that a host is after an event, so that another host can begin there instead of at the first event. What it holds
 * follows from the stream alone: the application's state and timers, commands that have not come back, partial messages, what is owed to
 * the outside world, who is active, who speaks. What a process knows for itself (what it has sent, what effects it has begun) is not in
 * it, and neither are counters.
 *
 * A checkpoint is used only where all of it is as it was written, for the same component with the same schema and code, and where the
 * state that comes of it has the digest that it had.
 */
import { createHash } from 'node:crypto'
import { messageOf, SeqcastError } from '../core/errors.js'
import type { Checkpoint, CheckpointHeader } from '../wire/checkpoint.js'
import { eventEpoch, eventTimeUs } from '../wire/event.js'
import { Fields } from './checkpoint-fields.js'
import type { Component } from './definition.js'
import { digestHex } from './digest.js'
import type { HostParts } from './host-parts.js'
import { outsideSourceName } from './outside.js'
import { decodeState, StateDamage } from './state-decoding.js'
import { encodeState } from './state-encoding.js'

/** What the host itself adds to its parts. */
export interface HostMoment {
  /** Of the last event that was handled, and its bytes. */
  readonly sequence: number
  readonly event: Uint8Array
  /** Digests are due by this count. */
  readonly applicationEvents: number
}

/** A checkpoint whose bytes are what was written. */
export interface OpenedCheckpoint {
  readonly header: CheckpointHeader
  readonly fields: Fields
}

/** @throws SeqcastError E_NONDETERMINISM where the state is no plain data; Error before the first event of a session */
export function captureHost(component: Component, session: string, parts: HostParts, moment: HostMoment): Checkpoint {
  const { application, commands, outside, effects, digests, messages, role, seeding, sessionEvents, sources } = parts
  const { sequence, event, applicationEvents } = moment
  const body = encodeState({
    applicationEvents,
    session: sessionEvents.capture(),
    sources: sources.capture(),
    role: role.capture(),
    seed: seeding.capture(),
    commands: commands.capture(),
    outside: outside.capture(),
    effects: effects.capture(),
    digests: digests.capture(),
    messages: messages.capture(),
    application: application.capture(),
  })
  const header: CheckpointHeader = {
    session,
    component: component.name,
    schemaHash: component.schema.hash,
    codeHash: codeHashOf(component),
    sequence,
    epoch: eventEpoch(event, 0),
    timeUs: eventTimeUs(event, 0),
    digest: application.digest(),
    eventHash: sha256(event),
    epochTable: sessionEvents.epochTable.map((entry) => ({ ...entry })),
    hasVoters: !sessionEvents.publishedIsStable,
    bodyBytes: body.length,
    bodyHash: sha256(body),
  }
  return { header, body }
}

/**
 * Looks whether a checkpoint can be used.
 * @throws SeqcastError E_CHECKPOINT where it is damaged, or of another session, component, schema or code
 */
export function openCheckpoint(checkpoint: Checkpoint, component: Component, session: string): OpenedCheckpoint {
  const { header, body } = checkpoint
  const problem = problemOf(checkpoint, component, session)
  if (problem !== undefined) throw refused(header, problem)
  try {
    return { header, fields: new Fields(decodeState(body), 'checkpoint') }
  } catch (thrown) {
    throw refused(header, `it can't be read: ${messageOf(thrown)}`, thrown)
  }
}

/**
 * Brings new parts, whose application was made of it, to where the checkpoint was taken.
 * @returns the application's events up to there
 * @throws SeqcastError E_CHECKPOINT
 */
export function restoreHost(component: Component, parts: HostParts, { header, fields }: OpenedCheckpoint): number {
  try {
    restoreParts(component, parts, fields)
    const digest = parts.application.digest()
    if (!isEqual(digest, header.digest)) {
      throw new StateDamage(`its state has the digest ${digestHex(digest)}, and had ${digestHex(header.digest)}`)
    }
    return fields.whole('applicationEvents')
  } catch (thrown) {
    throw refused(header, messageOf(thrown), thrown)
  }
}

function restoreParts(component: Component, parts: HostParts, fields: Fields): void {
  const { outside, effects, digests, messages, role, seeding, sessionEvents, sources } = parts
  sources.restore(fields.fields('sources'))
  sessionEvents.restore(fields.fields('session'), fields.fields('commands'))
  const outsideName = outsideSourceName(component.name)
  outside.restore(
    fields.fields('outside'),
    sources.all().filter(({ name }) => name === outsideName),
  )
  effects.restore(fields.fields('effects'))
  digests.restore(fields.fields('digests'))
  messages.restore(fields.fields('messages'))
  role.restore(fields.fields('role'))
  seeding.restore(fields.fields('seed'))
}

/** Whether the stream that has this event at the checkpoint's sequence is the one that the checkpoint was taken of. */
export function isOfStream(header: CheckpointHeader, event: Uint8Array): boolean {
  return isEqual(sha256(event), header.eventHash)
}

function problemOf({ header, body }: Checkpoint, component: Component, session: string): string | undefined {
  if (header.session !== session) return `it is of session ${header.session}`
  if (header.component !== component.name) return `it is of component ${header.component}`
  if (header.schemaHash !== component.schema.hash) return 'it was written with another schema'
  if (header.codeHash !== codeHashOf(component)) return 'it was written by another version of the component'
  if (body.length !== header.bodyBytes) return `it has ${body.length} bytes of ${header.bodyBytes}`
  return isEqual(sha256(body), header.bodyHash) ? undefined : 'it is damaged'
}

function refused({ component, session, sequence }: CheckpointHeader, why: string, cause?: unknown): SeqcastError {
  const message = `the checkpoint of ${component} at event ${sequence} of session ${session} can't be used: ${why}`
  return new SeqcastError('E_CHECKPOINT', message, {
    hint: '`seqcast run` takes the next older one, or begins with the first event; nothing has to be done',
    fields: { component, session, sequence, why },
    cause,
  })
}

const codeHashes = new WeakMap<Component, string>()

/** What the component's own functions say: where that has changed, the same events may give another state. */
export function codeHashOf(component: Component): string {
  const known = codeHashes.get(component)
  if (known !== undefined) return known
  const hash = createHash('sha256')
  const add = (name: string, text: unknown): void => {
    hash.update(`${name}\0${String(text)}\0`)
  }
  const { checkpoint, digestEvery, digestOf, handlers, timers, effects, state } = component
  add('state', state)
  add('digestOf', digestOf)
  add('digestEvery', digestEvery)
  add('version', checkpoint.version)
  add('load', checkpoint.load)
  for (const [type, handler] of handlers.entries()) add(`on ${type}`, handler)
  for (const [type, effect] of effects.entries()) add(`effect ${type}`, effect !== undefined)
  for (const name of [...timers.keys()].sort()) add(`timer ${name}`, timers.get(name))
  const text = hash.digest('hex')
  codeHashes.set(component, text)
  return text
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
