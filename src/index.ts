/**
 * The public API. The only file that re-exports; an application imports nothing but `seqcast`.
 */

export {
  type Component,
  type ComponentDefinition,
  type ComponentEvent,
  type Context,
  defineComponent,
  type Effect,
  type EffectAfter,
  type Port,
} from './component/definition.js'
export type { FieldDescriptor, MessageDescriptor, SchemaDescriptor } from './component/descriptor.js'
export { defineSchema, type EventName, type Schema, type UntypedSchema } from './component/schema.js'
export { type ErrorCode, SeqcastError } from './core/errors.js'
export { Prng } from './core/prng.js'
export { BinaryFileReader, type BinaryFileReason } from './wire/binaryfile.js'
