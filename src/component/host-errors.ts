/** What can go wrong in a host, in the words of a user. One place, so that the wording is one. */
import { messageOf, SeqcastError } from '../core/errors.js'
import type { SourceRegistered } from '../wire/runtime-events.js'

export function foreignSessionError(session: string, found: string): SeqcastError {
  return new SeqcastError('E_SESSION_FOREIGN', `these are events of session ${found}, not of ${session}`, {
    hint: 'two sessions share a group, or the store has another session: check --session and the groups',
    fields: { session, found },
  })
}

export function datagramError(session: string, own: number, needed: number, thrown: unknown): SeqcastError {
  const message = `datagramBytes ${own} does not fit session ${session}: ${messageOf(thrown)}`
  return new SeqcastError('E_CONFIG', message, {
    hint: `start with datagramBytes ${needed}, as the session was`,
    fields: { session, datagramBytes: own, sessionDatagramBytes: needed },
  })
}

export function refusedError(component: string, reason: string): SeqcastError {
  return new SeqcastError('E_REFUSED', `the sequencer refused a source to ${component}: ${reason}`, {
    hint: 'see the reason; start the component again when it is removed',
    fields: { component, reason },
  })
}

export function schemaError(component: string, own: string, sequence: number, event: SourceRegistered): SeqcastError {
  const message = `event ${sequence} registers ${event.name} with another schema than this replica of ${component} has`
  return new SeqcastError('E_SCHEMA_MISMATCH', message, {
    hint: 'run all replicas of a component with the same schema; a changed one needs a new session',
    fields: { component, sequence, source: event.name, recorded: event.schemaHash, own },
  })
}

export function secondInstanceError(component: string, sequence: number, source: number): SeqcastError {
  const message = `event ${sequence} comes from the outside source of ${component}, but this process did not send it`
  return new SeqcastError('E_SECOND_INSTANCE', message, {
    hint: 'two processes run under one instance and incarnation: stop one of them',
    fields: { component, sequence, source },
  })
}

export function effectsBoundError(component: string, sequence: number, pending: number): SeqcastError {
  const message = `${component} owes ${pending} effects at event ${sequence}, which is the bound`
  return new SeqcastError('E_EFFECT', message, {
    hint: 'activate a replica, so that they are run; or see why they do not end',
    fields: { component, sequence, pending },
  })
}

export function seedError(component: string, session: string, thrown: unknown): SeqcastError {
  const isPayload = thrown instanceof SeqcastError && thrown.code === 'E_PAYLOAD'
  const message = `the seed of ${component} for session ${session} failed: ${messageOf(thrown)}`
  return new SeqcastError(isPayload ? 'E_PAYLOAD' : 'E_HANDLER', message, {
    hint: 'correct `seed` and start again: the component reads the session before to its end, and goes on from there',
    fields: { component, session, stack: thrown instanceof Error ? thrown.stack : undefined },
    cause: thrown,
  })
}

export function foreignPredecessorError(session: string, own: string, found: string): SeqcastError {
  const message = `session ${session} goes on from ${found === '' ? 'no other' : found}, and not from ${own}, which names it as its successor`
  return new SeqcastError('E_SESSION_FOREIGN', message, {
    hint: 'a session of that name was there before: see which one is right (seqcast sessions), and keep the other away from these groups',
    fields: { session, predecessor: own, found },
  })
}

export function payloadError(sequence: number, type: number, name: string, cause: unknown): SeqcastError {
  const message = `event ${sequence} (type ${type}, ${name}) does not decode: ${messageOf(cause)}`
  return new SeqcastError('E_PAYLOAD', message, {
    hint: 'whoever sent it uses another schema; compare the schema hashes of the sources',
    fields: { sequence, type, name },
    cause,
  })
}
