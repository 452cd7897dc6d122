/**
 * The text of the typed module of a .proto file: an interface for each message, a union of names for each enum, the map
 * from event names to payloads, and the schema with its descriptor inline. The text is a function of the file alone, so
 * that a test can see whether a committed module is up to date.
 */
import { basename } from 'node:path'
import { SeqcastError } from '../core/errors.js'
import { type FieldDescriptor, fieldsByNumber, isScalar, type MessageDescriptor, SCALARS } from './descriptor.js'
import { loadProtoFile, type ProtoSchema } from './proto-file.js'

/**
 * @param path of the .proto file
 * @returns the TypeScript source, formatted as `biome` would leave it alone: put it into a folder named `generated`
 * @throws SeqcastError E_SCHEMA, E_FILE
 */
export async function generateModule(path: string): Promise<string> {
  return moduleText(await loadProtoFile(path), basename(path))
}

function moduleText(schema: ProtoSchema, fileName: string): string {
  const { descriptor } = schema
  const mapName = `${pascal(fileName.replace(/\.proto$/, ''))}Messages`
  checkTypeNames([...Object.keys(descriptor.messages), ...Object.keys(descriptor.enums)], mapName, fileName)
  const parts = [
    `// Made by \`seqcast generate ${fileName}\`: change ${fileName}, not this file.`,
    "import { defineSchema, type Schema } from 'seqcast'",
    ...Object.entries(descriptor.enums).map(([name, values]) => enumText(schema, name, values)),
    ...Object.entries(descriptor.messages).map(([name, message]) => messageText(schema, name, message)),
    mapText(descriptor.messages, mapName, fileName),
    `export const schema: Schema<${mapName}> = defineSchema<${mapName}>(${literal(descriptor, '')})`,
  ]
  return `${parts.join('\n\n')}\n`
}

function enumText(schema: ProtoSchema, name: string, values: Readonly<Record<string, number>>): string {
  const names = Object.keys(values).map((value) => `'${value}'`)
  return `${comment(schema, name, '')}export type ${typeName(name)} = ${names.join(' | ')}`
}

function messageText(schema: ProtoSchema, name: string, message: MessageDescriptor): string {
  const fields = fieldsByNumber(message).map(([field, definition]) => {
    const isOptional = definition.rule === 'optional'
    const type = `${fieldType(definition)}${isOptional ? ' | undefined' : ''}`
    return `${comment(schema, `${name}.${field}`, '  ')}  ${field}${isOptional ? '?' : ''}: ${type}\n`
  })
  const head = comment(schema, name, '')
  // An empty interface would let anything pass.
  if (fields.length === 0) return `${head}export type ${typeName(name)} = Record<string, never>`
  return `${head}export interface ${typeName(name)} {\n${fields.join('')}}`
}

function mapText(messages: Readonly<Record<string, MessageDescriptor>>, mapName: string, fileName: string): string {
  const events = Object.entries(messages).filter(([, message]) => message.type !== undefined)
  events.sort(([, a], [, b]) => (a.type ?? 0) - (b.type ?? 0))
  const lines = events.map(([name]) => `  ${name}: ${typeName(name)}\n`)
  return `/** The events of ${fileName}: the payload of each by its name. */\nexport interface ${mapName} {\n${lines.join('')}}`
}

function fieldType(field: FieldDescriptor): string {
  const type = isScalar(field.type) ? SCALARS[field.type] : typeName(field.type)
  if (field.rule === 'repeated') return `${type}[]`
  if (field.rule !== 'map') return type
  return `Map<${isScalar(field.key ?? '') ? SCALARS[field.key as keyof typeof SCALARS] : 'string'}, ${type}>`
}

const typeName = (name: string): string => name.split('.').map(pascal).join('')

const pascal = (text: string): string =>
  text.replace(/(^|[^A-Za-z0-9]+)([A-Za-z0-9])/g, (_, _separator, letter: string) => letter.toUpperCase())

const TAKEN = new Set(['Map', 'Uint8Array', 'Schema', 'String', 'Number', 'Boolean', 'Array'])

function checkTypeNames(names: readonly string[], mapName: string, fileName: string): void {
  const owners = new Map<string, string>([[mapName, `the map of ${fileName}`]])
  for (const name of names) {
    const type = typeName(name)
    const owner = TAKEN.has(type) ? 'TypeScript' : owners.get(type)
    if (owner !== undefined) {
      throw new SeqcastError(
        'E_SCHEMA',
        `${fileName}: ${name} would become the type ${type}, which is already ${owner}'s`,
        {
          hint: 'rename it',
        },
      )
    }
    owners.set(type, name)
  }
}

function comment(schema: ProtoSchema, key: string, indent: string): string {
  const text = schema.comments.get(key)
  if (text === undefined) return ''
  const lines = text.replaceAll('*/', '* /').split('\n')
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join('\n')}\n${indent} */\n`
}

/** A JavaScript literal of plain data; an object that fits a line stands on one. */
function literal(value: unknown, indent: string): string {
  if (typeof value !== 'object' || value === null) return typeof value === 'string' ? `'${value}'` : String(value)
  const entries = Object.entries(value)
  if (entries.length === 0) return '{}'
  const flat = `{ ${entries.map(([key, item]) => `${propertyName(key)}: ${literal(item, '')}`).join(', ')} }`
  if (!flat.includes('\n') && flat.length + indent.length < 100) return flat
  const inner = `${indent}  `
  return `{\n${entries.map(([key, item]) => `${inner}${propertyName(key)}: ${literal(item, inner)},\n`).join('')}${indent}}`
}

const propertyName = (key: string): string => (/^[A-Za-z_][A-Za-z0-9_]*$/.test(key) ? key : `'${key}'`)
