/**
 * Reads .proto files into a schema's descriptor, with errors that name file, message and, where it can be found, line. Used
 * by tools (`generate`, `tail --proto`), never by a running component: the generated module holds the descriptor.
 */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type protobufTypes from 'protobufjs'
import { messageOf, SeqcastError, systemCodeOf } from '../core/errors.js'
import {
  type FieldDescriptor,
  isScalar,
  type MessageDescriptor,
  NO_EVENT,
  problemOf,
  type SchemaDescriptor,
} from './descriptor.js'
import { defineSchema, type UntypedSchema } from './schema.js'

const OPTIONS_IMPORT = 'seqcast/options.proto'
const WELL_KNOWN = 'google/protobuf/'
const TYPE_OPTION = '(seqcast.type)'
const FIXED_OPTION = '(seqcast.fixed)'
const LENGTH_OPTION = '(seqcast.length)'

/** A schema as its files have it: the descriptor, and the comments, which the generated module keeps. */
export interface ProtoSchema {
  readonly descriptor: SchemaDescriptor
  /** By message, enum, or `message.field`. */
  readonly comments: ReadonlyMap<string, string>
}

interface Source {
  readonly path: string
  readonly text: string
}

/**
 * The schema of a .proto file and what it imports, for tools.
 * @throws SeqcastError E_SCHEMA, or E_FILE where a file can't be read
 */
export async function loadSchemaFile(path: string): Promise<UntypedSchema> {
  return defineSchema((await loadProtoFile(path)).descriptor)
}

/** @throws SeqcastError E_SCHEMA, or E_FILE where a file can't be read */
export async function loadProtoFile(path: string): Promise<ProtoSchema> {
  const sources: Source[] = []
  const { default: protobuf } = await import('protobufjs')
  const root = new protobuf.Root()
  const packageName = await parseInto(protobuf, root, resolve(path), sources)
  try {
    root.resolveAll()
  } catch (error) {
    throw unknownType(sources, messageOf(error))
  }
  const found = new Collector(packageName, (where, problem) => schemaError(sources, problem, where))
  found.collect(root)
  const { descriptor, comments } = found
  const wrong = problemOf(descriptor)
  if (wrong !== undefined) throw schemaError(sources, wrong.problem, wrong.problem === NO_EVENT ? '' : wrong.where)
  return { descriptor, comments }
}

/** Parses a file and what it imports. @returns the package of the file */
async function parseInto(
  protobuf: typeof protobufTypes,
  root: protobufTypes.Root,
  path: string,
  sources: Source[],
): Promise<string> {
  const text = await readText(path)
  sources.push({ path, text })
  if (!/^\s*syntax\s*=\s*["']proto3["']\s*;/m.test(text)) {
    throw new SeqcastError('E_SCHEMA', `${path}: not a proto3 file`, { hint: 'begin it with `syntax = "proto3";`' })
  }
  const parsed = parseText(protobuf, root, path, text)
  for (const imported of [...(parsed.imports ?? []), ...(parsed.weakImports ?? [])]) {
    const importedPath = resolve(dirname(path), imported)
    if (imported === OPTIONS_IMPORT || sources.some((source) => source.path === importedPath)) continue
    if (imported.startsWith(WELL_KNOWN)) throw wellKnownError({ path, text }, imported)
    await parseInto(protobuf, root, importedPath, sources)
  }
  return parsed.package ?? ''
}

function parseText(
  protobuf: typeof protobufTypes,
  root: protobufTypes.Root,
  path: string,
  text: string,
): protobufTypes.IParserResult {
  try {
    return protobuf.parse(text, root, { keepCase: false, alternateCommentMode: true })
  } catch (error) {
    const line = /\(.*line (\d+)\)/.exec(messageOf(error))?.[1]
    const where = line === undefined ? path : `${path}:${line}`
    throw new SeqcastError('E_SCHEMA', `${where}: ${messageOf(error)}`, { fields: { path }, cause: error })
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new SeqcastError('E_FILE', `${path} can't be read: ${systemCodeOf(error) ?? messageOf(error)}`, {
      hint: 'imports are looked up beside the file that names them',
      fields: { path },
      cause: error,
    })
  }
}

/** Points at the line that declares the last part of `where`: a message, an enum or a field; '' is the file. */
function schemaError(sources: readonly Source[], problem: string, where: string): SeqcastError {
  const path = sources[0]?.path ?? ''
  if (where === '') return new SeqcastError('E_SCHEMA', `${path}: ${problem}`, { fields: { path } })
  const [container, member] = [where.split('.').at(-2), where.split('.').at(-1) ?? '']
  for (const source of sources) {
    const line = lineOf(source.text, container, member)
    if (line !== undefined) return errorAt(source, line, `${where}: ${problem}`)
  }
  return new SeqcastError('E_SCHEMA', `${path}: ${where}: ${problem}`, { fields: { path } })
}

function errorAt({ path }: Source, line: number, problem: string, hint?: string): SeqcastError {
  const details = { fields: { path, line }, ...(hint === undefined ? {} : { hint }) }
  return new SeqcastError('E_SCHEMA', `${path}:${line}: ${problem}`, details)
}

/** protobufjs names the type and the message that uses it, and neither file nor line. */
function unknownType(sources: readonly Source[], problem: string): SeqcastError {
  const [, type = '', message = ''] = /^no such Type or Enum '([^']+)' in Type \.?(\S+)/i.exec(problem) ?? []
  if (type === '') return schemaError(sources, problem, '')
  for (const source of sources) {
    const lines = source.text.split('\n')
    const declared = lines.findIndex((line) => isDeclarationOf(line, message.split('.').at(-1) ?? ''))
    const uses = new RegExp(`(^|[\\s<,.{])${type.replaceAll('.', '\\.')}[\\s>]`)
    const used = declared < 0 ? -1 : lines.findIndex((line, i) => i >= declared && uses.test(line))
    if (used >= 0) return errorAt(source, used + 1, `${message}: there is no type '${type}'`, KNOWN_TYPES)
  }
  return schemaError(sources, `there is no type '${type}'`, message)
}

const KNOWN_TYPES =
  'declare it, import its file, or use one of protobuf: string, bytes, bool, uint32, int64, double and so on'

function wellKnownError(source: Source, imported: string): SeqcastError {
  const line = source.text.split('\n').findIndex((text) => text.includes(imported)) + 1
  return errorAt(
    source,
    line,
    `${imported}: the well-known types of protobuf are not supported`,
    'use uint64 for a time (microseconds since 1970) or a duration, `optional` for a wrapper, bytes for Any',
  )
}

function lineOf(text: string, container: string | undefined, member: string): number | undefined {
  const lines = text.split('\n')
  const own = lines.findIndex((line) => isDeclarationOf(line, member))
  if (own >= 0) return own + 1
  const outer = container === undefined ? -1 : lines.findIndex((line) => isDeclarationOf(line, container))
  if (outer < 0) return undefined
  // The loader turns snake_case into camelCase: compare without either.
  const flat = member.toLowerCase()
  const inner = lines.findIndex(
    (line, i) => i >= outer && new RegExp(`\\b${flat}\\s*=`).test(line.replaceAll('_', '').toLowerCase()),
  )
  return (inner < 0 ? outer : inner) + 1
}

const isDeclarationOf = (line: string, name: string): boolean =>
  new RegExp(`(^|\\{)\\s*(message|enum)\\s+${name}\\b`).test(line)

/** Walks what protobufjs parsed and keeps what a schema needs, with names relative to the package. */
class Collector {
  readonly comments = new Map<string, string>()
  readonly #package: string
  readonly #fail: (where: string, problem: string) => SeqcastError
  readonly #messages: Record<string, MessageDescriptor> = {}
  readonly #enums: Record<string, Record<string, number>> = {}

  constructor(packageName: string, fail: (where: string, problem: string) => SeqcastError) {
    this.#package = packageName
    this.#fail = fail
  }

  get descriptor(): SchemaDescriptor {
    return { package: this.#package, messages: this.#messages, enums: this.#enums }
  }

  collect(namespace: protobufTypes.NamespaceBase): void {
    for (const child of namespace.nestedArray) {
      if (isType(child)) this.#addMessage(child)
      else if (isEnum(child)) this.#addEnum(child)
      if (isNamespace(child)) this.collect(child)
    }
  }

  #nameOf(object: protobufTypes.ReflectionObject): string {
    const full = object.fullName.replace(/^\./, '')
    return this.#package !== '' && full.startsWith(`${this.#package}.`) ? full.slice(this.#package.length + 1) : full
  }

  #comment(name: string, object: protobufTypes.ReflectionObject): void {
    if (object.comment) this.comments.set(name, object.comment)
  }

  #addEnum(found: protobufTypes.Enum): void {
    const name = this.#nameOf(found)
    this.#enums[name] = { ...found.values }
    this.#comment(name, found)
  }

  #addMessage(found: protobufTypes.Type): void {
    const name = this.#nameOf(found)
    const type: unknown = found.options?.[TYPE_OPTION]
    const fixed: unknown = found.options?.[FIXED_OPTION]
    if (type !== undefined && typeof type !== 'number')
      throw this.#fail(name, `type number '${String(type)}' is no number`)
    const fields: Record<string, FieldDescriptor> = {}
    for (const field of found.fieldsArray) {
      fields[field.name] = this.#field(field)
      this.#comment(`${name}.${field.name}`, field)
    }
    this.#messages[name] = {
      ...(type === undefined ? {} : { type }),
      ...(fixed === true ? { fixed } : {}),
      fields,
    }
    this.#comment(name, found)
  }

  #field(field: protobufTypes.Field): FieldDescriptor {
    const type = field.resolvedType === null ? field.type : this.#nameOf(field.resolvedType)
    const length: unknown = field.options?.[LENGTH_OPTION]
    const isMessage = field.resolvedType !== null && !isEnum(field.resolvedType)
    const oneof = field.partOf?.name
    const common = { id: field.id, type, ...(typeof length === 'number' ? { lengthBytes: length } : {}) }
    if ('keyType' in field) return { ...common, rule: 'map', key: String(field.keyType) }
    if (field.repeated) {
      const isUnpacked = !field.packed && isPackableType(type, isMessage)
      return { ...common, rule: 'repeated', ...(isUnpacked ? { packed: false } : {}) }
    }
    if (oneof === undefined) return isMessage ? { ...common, rule: 'optional' } : common
    // A proto3 `optional` field stands alone in a group of the compiler's, named after it.
    return { ...common, rule: 'optional', ...(oneof === `_${field.name}` || oneof.startsWith('_') ? {} : { oneof }) }
  }
}

const isPackableType = (type: string, isMessage: boolean): boolean =>
  !isMessage && !(isScalar(type) && (type === 'string' || type === 'bytes'))

function isType(object: protobufTypes.ReflectionObject): object is protobufTypes.Type {
  return 'fieldsArray' in object && 'oneofsArray' in object
}

function isEnum(object: protobufTypes.ReflectionObject): object is protobufTypes.Enum {
  return 'values' in object && 'valuesById' in object
}

function isNamespace(object: protobufTypes.ReflectionObject): object is protobufTypes.NamespaceBase {
  return 'nestedArray' in object
}
