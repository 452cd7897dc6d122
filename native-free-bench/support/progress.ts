/** How far a scenario is: one line on a terminal, on stderr, rubbed out at the end. Nothing elsewhere, and nothing for machines. */
import type { BenchOptions } from './options.js'

const ERASE_LINE = '\r\x1b[K'

export function showProgress(options: BenchOptions, text: string): void {
  if (isShown(options)) process.stderr.write(`${ERASE_LINE}${text}`)
}

export function endProgress(options: BenchOptions): void {
  if (isShown(options)) process.stderr.write(ERASE_LINE)
}

function isShown({ json }: BenchOptions): boolean {
  return !json && process.stderr.isTTY === true
}
