/** Where a replay stops, as the flags of `seqcast replay` say it. */
import type { UntypedSchema } from '../component/schema.js'
import { type Breakpoint, breakOnChange, breakOnType, breakWhen } from '../replay/breakpoint.js'
import { RUNTIME_EVENT_NAMES } from '../wire/runtime-events.js'

export interface Stops {
  readonly step: boolean
  /** `--break` */
  readonly expressions: readonly string[]
  /** `--break-on` */
  readonly types: readonly string[]
  /** `--watch` */
  readonly paths: readonly string[]
}

/** @throws SeqcastError E_USAGE */
export function breakpointsOf(stops: Stops, schemas: readonly UntypedSchema[]): Breakpoint[] {
  const known = [...new Set(schemas.flatMap(({ names }) => names)), ...Object.values(RUNTIME_EVENT_NAMES)]
  return [
    ...stops.expressions.map((expression) => breakWhen(expression)),
    ...stops.types.map((type) => breakOnType(type, known)),
    ...stops.paths.map((path) => breakOnChange(path)),
  ]
}
