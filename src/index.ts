/**
 * The public API. The only file that re-exports; an application imports nothing but `seqcast`.
 *
 * Writing a component: `defineComponent` with the module that `seqcast generate` makes. Testing one: `testComponent`. Running roles
 * inside a program of one's own: `startSequencer`, `startStore`, `startComponent`. Reading recordings: `LmdbLogReader`,
 * `replayComponent`, `verifySession`. Putting components through a simulation of the whole system under faults: `simulate`.
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
  type Seed,
  type SeedTimer,
} from './component/definition.js'
export type { FieldDescriptor, MessageDescriptor, SchemaDescriptor } from './component/descriptor.js'
export { digestHex, digestOf } from './component/digest.js'
export type { LargeKey } from './component/large/large-key.js'
export { LargeMap, largeMap } from './component/large/large-map.js'
export { defineSchema, type EventName, type Schema, type UntypedSchema } from './component/schema.js'
export {
  ComponentTest,
  type TestCommand,
  type TestKitOptions,
  type TestReplay,
  type TestTimer,
  testComponent,
} from './component/test-kit.js'
export { type ErrorCode, SeqcastError } from './core/errors.js'
export { type LogFields, type Logger, silentLogger } from './core/log.js'
export { Prng } from './core/prng.js'
export type { GroupAddress } from './net/interfaces.js'
export {
  defineProjection,
  type KeyOf,
  type Projection,
  type ProjectionDefinition,
  type ProjectionEvent,
  type RowOf,
  type TableAccess,
  type TableDefinition,
  type TableDefinitions,
  type TablesOf,
} from './projection/definition.js'
export { ProjectionReader, readProjection } from './projection/reader.js'
export { type GivenEvent, ProjectionTest, testProjection } from './projection/test-kit.js'
export type { EventLog, EventLogReader, RunVisitor } from './protocol/event-log.js'
export type { PlayedComponent } from './replay/player.js'
export {
  type ReplayBounds,
  type ReplayOptions,
  type ReplayReport,
  replayComponent,
  replaySystem,
  type SystemReplayOptions,
} from './replay/replay.js'
export { type Change, type Difference, diffValues } from './replay/state-diff.js'
export { type PathStep, pathText, type StatePath } from './replay/state-path.js'
export type { ComponentRoleOptions } from './runtime/component-options.js'
export { type ComponentRole, startComponent } from './runtime/component-role.js'
export {
  DEFAULT_COMMAND_GROUP,
  DEFAULT_CONTROL_GROUP,
  DEFAULT_EVENT_GROUP,
  type Role,
  type RoleOptions,
  type StoreAddress,
} from './runtime/options.js'
export type { RollPlan } from './runtime/roll-desk.js'
export { type SequencerRole, type SequencerRoleOptions, startSequencer } from './runtime/sequencer-role.js'
export {
  type Recording,
  type Recordings,
  type StoreRole,
  type StoreRoleOptions,
  startStore,
} from './runtime/store-role.js'
export type { PromiseKeeper } from './runtime/store-voter.js'
export type { FinalState, SimKind, SimObserver, SimProcess, SimStream } from './sim/observer.js'
export type { SimClient, SimComponent, SimTime } from './sim/parts.js'
export { describeFailure } from './sim/report.js'
export type { RunContext, RunReport } from './sim/run.js'
export type { Fault } from './sim/schedule.js'
export { type SimFailure, type SimulateOptions, type SimulateReport, simulate } from './sim/simulate.js'
export { type Guarantee, Violation } from './sim/violation.js'
export { LmdbEventLog, type LmdbEventLogOptions } from './store/lmdb-event-log.js'
export { LmdbLogReader } from './store/lmdb-log-reader.js'
export { MemoryEventLog, type MemoryEventLogOptions } from './store/memory-event-log.js'
export { PromiseFile } from './store/promise-file.js'
export { type Problem, type VerifyOptions, type VerifyResult, verifySession } from './store/verify.js'
export { BinaryFileReader, type BinaryFileReason } from './wire/binaryfile.js'
