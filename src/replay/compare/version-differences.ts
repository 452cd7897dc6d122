/** What differs between two versions of a component before anything is played: what they handle, and the schemas they are built from. */
import type { FieldDescriptor, MessageDescriptor, SchemaDescriptor } from '../../component/descriptor.js'
import type { SideDescription } from './side.js'

/** @returns a sentence each: what NEW adds, lacks or changes. */
export function versionDifferences(old: SideDescription, fresh: SideDescription): string[] {
  const lines: string[] = []
  if (old.component !== fresh.component) lines.push(`the component is called ${old.component}, then ${fresh.component}`)
  for (const [what, before, after] of [
    ['handler of', old.handlers, fresh.handlers],
    ['timer', old.timers, fresh.timers],
    ['effect of', old.effects, fresh.effects],
  ] as const) {
    for (const name of after) if (!before.includes(name)) lines.push(`${what} ${name}: only in NEW`)
    for (const name of before) if (!after.includes(name)) lines.push(`${what} ${name}: only in OLD`)
  }
  if (old.schemaHash !== fresh.schemaHash) lines.push(...schemaDifferences(old.schema, fresh.schema))
  return lines
}

/** @returns a sentence each; never empty where the hashes of the schemas differ */
export function schemaDifferences(old: SchemaDescriptor, fresh: SchemaDescriptor): string[] {
  const lines: string[] = []
  if (old.package !== fresh.package) lines.push(`schema: package ${old.package}, then ${fresh.package}`)
  compareNamed('message', old.messages, fresh.messages, lines, compareMessage)
  compareNamed('enum', old.enums, fresh.enums, lines, (name, before, after) => {
    const what = textOf(before) === textOf(after) ? undefined : `${textOf(before)}, then ${textOf(after)}`
    return what === undefined ? [] : [`schema: enum ${name}: ${what}`]
  })
  return lines
}

function compareNamed<T>(
  what: string,
  old: Readonly<Record<string, T>>,
  fresh: Readonly<Record<string, T>>,
  lines: string[],
  compare: (name: string, before: T, after: T) => string[],
): void {
  for (const name of new Set([...Object.keys(old), ...Object.keys(fresh)])) {
    const [before, after] = [old[name], fresh[name]]
    if (before === undefined) lines.push(`schema: ${what} ${name}: only in NEW`)
    else if (after === undefined) lines.push(`schema: ${what} ${name}: only in OLD`)
    else lines.push(...compare(name, before, after))
  }
}

function compareMessage(name: string, before: MessageDescriptor, after: MessageDescriptor): string[] {
  const lines: string[] = []
  if (before.type !== after.type) {
    lines.push(`schema: ${name}: type number ${before.type ?? 'none'}, then ${after.type ?? 'none'}`)
  }
  if ((before.fixed ?? false) !== (after.fixed ?? false)) {
    lines.push(`schema: ${name}: ${after.fixed ? 'a fixed layout in NEW' : 'a fixed layout in OLD'}`)
  }
  compareNamed(`field ${name}.`, before.fields, after.fields, lines, (field, was, is) => {
    const [wasText, isText] = [fieldText(was), fieldText(is)]
    return wasText === isText ? [] : [`schema: field ${name}.${field}: ${wasText}, then ${isText}`]
  })
  return lines.map((line) => line.replace('. ', '.'))
}

function fieldText({ id, type, rule, key, lengthBytes }: FieldDescriptor): string {
  const kind = rule === 'map' ? `map<${key}, ${type}>` : rule === undefined ? type : `${rule} ${type}`
  return `${kind} = ${id}${lengthBytes === undefined ? '' : ` (${lengthBytes} bytes)`}`
}

const textOf = (values: Readonly<Record<string, number>>): string =>
  Object.entries(values)
    .map(([name, number]) => `${name} = ${number}`)
    .join(', ')
