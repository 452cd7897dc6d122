/** What the process of one version is asked, and what it answers. */
import type { ErrorCode } from '../../core/errors.js'
import type { LargeKeys } from '../../replay/compare/large-look.js'
import type { Moment, PlayEnd, PlayRequest, SideDescription, Stretch } from '../../replay/compare/side.js'

export interface SideOpening {
  readonly directory: string
  readonly session: string
  readonly module: string
  readonly option: readonly string[]
  readonly toSequence: number
  readonly ignore: readonly string[]
  readonly guard: boolean
}

export type SideQuestion =
  | { readonly ask: 'open'; readonly opening: SideOpening }
  | { readonly ask: 'play'; readonly request: PlayRequest }
  | { readonly ask: 'moment'; readonly sequence: number; readonly keys: LargeKeys }
  | { readonly ask: 'stop' }

export type SideAnswer =
  | { readonly tell: 'description'; readonly description: SideDescription }
  | { readonly tell: 'stretch'; readonly stretch: Stretch }
  | { readonly tell: 'end'; readonly end: PlayEnd }
  | { readonly tell: 'moment'; readonly moment: Moment }
  | { readonly tell: 'failure'; readonly code: ErrorCode; readonly message: string; readonly hint: string | undefined }
