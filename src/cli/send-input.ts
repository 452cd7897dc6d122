/**
 * What `seqcast send` reads: BinaryFILE messages under one type number, or JSON Lines. A file is read twice, first to check it,
 * so that a bad one sends nothing at all; standard input can only be read once, and what stood before a bad message is sent.
 */
import { createReadStream, statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { UntypedSchema } from '../component/schema.js'
import { messageOf, SeqcastError, systemCodeOf } from '../core/errors.js'
import { BinaryFileReader, type BinaryFileReason } from '../wire/binaryfile.js'
import { FIRST_APPLICATION_TYPE } from '../wire/event.js'

export interface OutgoingMessage {
  readonly type: number
  readonly payload: Uint8Array
}

export interface SendInputOptions {
  /** Undefined: standard input. */
  readonly path: string | undefined
  /** Of every message of a BinaryFILE; undefined: the input is JSON Lines. */
  readonly type: number | undefined
  readonly schema: UntypedSchema | undefined
}

export interface SendInput {
  /** Undefined where it can't be known before. */
  readonly messages: number | undefined
  /** Batches in order. @throws SeqcastError E_FILE, E_FILE_FORMAT, E_PAYLOAD, E_SCHEMA */
  read(): AsyncGenerator<readonly OutgoingMessage[]>
}

/** Opens the input, and checks all of it where it is a file. @throws SeqcastError as `read` does */
export async function openSendInput(options: SendInputOptions): Promise<SendInput> {
  const { path, type, schema } = options
  if (type !== undefined && schema !== undefined && !schema.has(type)) {
    throw new SeqcastError('E_SCHEMA', `type ${type} is no event of the schema`, {
      hint: `its events are ${schema.names.map((name) => `${schema.typeOf(name)} ${name}`).join(', ')}`,
      fields: { type },
    })
  }
  const read = (): AsyncGenerator<readonly OutgoingMessage[]> =>
    type === undefined ? readJsonLines(open(path), path, schema) : readBinaryFile(open(path), path, type, schema)
  if (path === undefined || !isFile(path)) return { messages: undefined, read }
  let messages = 0
  for await (const batch of read()) messages += batch.length
  return { messages, read }
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch (error) {
    throw unreadable(path, error)
  }
}

function open(path: string | undefined): Readable {
  return path === undefined ? process.stdin : createReadStream(path)
}

const nameOf = (path: string | undefined): string => path ?? 'standard input'

function unreadable(path: string | undefined, error: unknown): SeqcastError {
  return new SeqcastError('E_FILE', `${nameOf(path)} can't be read: ${systemCodeOf(error) ?? messageOf(error)}`, {
    hint: 'check the path and its permissions',
    fields: { path },
    cause: error,
  })
}

async function* chunksOf(stream: Readable, path: string | undefined): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) if (chunk instanceof Uint8Array) yield chunk
  } catch (error) {
    throw unreadable(path, error)
  }
}

async function* readBinaryFile(
  stream: Readable,
  path: string | undefined,
  type: number,
  schema: UntypedSchema | undefined,
): AsyncGenerator<readonly OutgoingMessage[]> {
  let batch: OutgoingMessage[] = []
  let messages = 0
  const reader = new BinaryFileReader((payload) => batch.push({ type, payload }))
  const fail = (reason: BinaryFileReason): SeqcastError =>
    new SeqcastError(
      'E_FILE_FORMAT',
      `${nameOf(path)}: ${EXPLAINED[reason]} at byte ${reader.offsetBytes}, after ${messages} messages (${reason})`,
      {
        hint: 'a BinaryFILE is a length of two bytes before each message, and ends with a zero length',
        fields: { path, reason, offsetBytes: reader.offsetBytes, messages },
      },
    )
  for await (const chunk of chunksOf(stream, path)) {
    const reason = reader.push(chunk)
    if (schema !== undefined) batch.forEach((message, i) => void checkPayload(schema, message, messages + i + 1, path))
    messages += batch.length
    if (batch.length > 0) yield batch
    batch = []
    if (reason !== undefined) throw fail(reason)
  }
  const end = reader.finish()
  if (end !== 'end-of-session' && end !== 'no-end-marker') throw fail(end)
}

const EXPLAINED: Readonly<Record<BinaryFileReason, string>> = {
  'truncated-length': 'the file is cut off in the length of a message',
  'truncated-message': 'the file is cut off in a message',
  'overlong-message': 'a message is longer than allowed',
  'bytes-after-end': 'there are more bytes after the end of the session',
}

function checkPayload(
  schema: UntypedSchema,
  { type, payload }: OutgoingMessage,
  index: number,
  path: string | undefined,
): void {
  try {
    schema.decode(type, payload, 0, payload.length)
  } catch (error) {
    throw located(error, `${nameOf(path)}, message ${index}`)
  }
}

async function* readJsonLines(
  stream: Readable,
  path: string | undefined,
  schema: UntypedSchema | undefined,
): AsyncGenerator<readonly OutgoingMessage[]> {
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })
  let failure: unknown
  stream.once('error', (error) => {
    failure = error
    lines.close()
  })
  let lineNumber = 0
  for await (const line of lines) {
    lineNumber += 1
    if (line.trim() === '') continue
    yield [messageOfLine(line, `${nameOf(path)}:${lineNumber}`, schema)]
  }
  if (failure !== undefined) throw unreadable(path, failure)
}

function messageOfLine(line: string, where: string, schema: UntypedSchema | undefined): OutgoingMessage {
  const json = parseLine(line, where)
  if (typeof json.name === 'string') return namedMessage(json.name, json.payload, where, schema, line)
  const { type, payload } = json
  if (typeof type !== 'number' || typeof payload !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(payload)) {
    throw badLine(where, 'it has neither a name and a payload, nor a type number and a payload in base64')
  }
  if (!(Number.isInteger(type) && type >= FIRST_APPLICATION_TYPE && type <= 0xffff)) {
    throw badLine(where, `${type} is no application type: those are ${FIRST_APPLICATION_TYPE} to 65535`)
  }
  return { type, payload: Buffer.from(payload, 'base64') }
}

function parseLine(line: string, where: string): Readonly<Record<string, unknown>> {
  try {
    const json: unknown = JSON.parse(line)
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return { ...json }
  } catch (error) {
    throw badLine(where, messageOf(error))
  }
  throw badLine(where, 'it is no JSON object')
}

function namedMessage(
  name: string,
  payload: unknown,
  where: string,
  schema: UntypedSchema | undefined,
  line: string,
): OutgoingMessage {
  if (schema === undefined) {
    throw new SeqcastError(
      'E_USAGE',
      `${where}: message '${name}' has a name, and there is no schema to look it up in`,
      {
        hint: 'give --proto FILE',
      },
    )
  }
  const type = schema.typeOf(name)
  if (type === undefined) {
    throw new SeqcastError('E_SCHEMA', `${where}: message '${name}' is no event of the schema`, {
      hint: `its events are ${schema.names.join(', ')}`,
      fields: { name },
    })
  }
  try {
    // The bytes lie in the schema's own buffer until its next call.
    return { type, payload: schema.encode(name, schema.fromJson(name, payload ?? {})).slice() }
  } catch (error) {
    throw located(error, where, line)
  }
}

function badLine(where: string, problem: string): SeqcastError {
  return new SeqcastError('E_FILE_FORMAT', `${where}: ${problem}`, {
    hint: 'each line is {"name": "NAME", "payload": {…}} (with --proto), or {"type": NUMBER, "payload": "BASE64"}',
  })
}

/** @param line what the message was read from, where it was text */
function located(error: unknown, where: string, line = ''): unknown {
  if (!(error instanceof SeqcastError)) return error
  const hint = error.hint === undefined ? {} : { hint: error.hint }
  return new SeqcastError(error.code, `${where}: ${asWritten(error.message, line)}`, {
    ...hint,
    fields: error.fields,
    cause: error,
  })
}

/** JSON.parse rounds integers beyond 2^53 - 1: who has to correct one must find it in the file. */
function asWritten(message: string, line: string): string {
  let text = message
  for (const [integer] of line.matchAll(/-?\d{16,}/g))
    text = text.replace(`, not ${Number(integer)}`, `, not ${integer}`)
  return text
}
