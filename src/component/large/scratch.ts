/**
 * Files for large maps that nobody gave any: tools that play a recording have no place of their own for them. A process that wants them says once
 * where they are made.
 */
import type { LargeBase, LargeChange } from './large-base.js'

export interface ScratchFiles extends LargeBase {
  write(rows: Iterable<LargeChange>): void
}

/** Makes empty files, for one large map. */
export type ScratchMaker = () => ScratchFiles

let maker: ScratchMaker | undefined

export function useScratchFiles(make: ScratchMaker): void {
  maker = make
}

/** Undefined where nobody said where to make them. */
export function newScratchFiles(): ScratchFiles | undefined {
  return maker?.()
}
