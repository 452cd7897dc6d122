/**
 * What a person or a machine reads on stdout: aligned tables, colour on a terminal only, or one JSON object a line.
 */
export type Cell = string | number

const useColour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined

export const bold = (text: string): string => (useColour ? `\x1b[1m${text}\x1b[22m` : text)
export const dim = (text: string): string => (useColour ? `\x1b[2m${text}\x1b[22m` : text)
export const green = (text: string): string => (useColour ? `\x1b[32m${text}\x1b[39m` : text)
export const red = (text: string): string => (useColour ? `\x1b[31m${text}\x1b[39m` : text)

/** Groups of thousands, as in 1,234,567. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** `1 event`, `1,234 events`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}

/** A duration in microseconds, or in milliseconds where that is shorter to read. */
export function durationText(durationUs: number): string {
  if (durationUs < 1_000) return `${durationUs} us`
  const ms = durationUs / 1_000
  return `${ms < 100 ? Number(ms.toFixed(1)) : count(ms)} ms`
}

/** Numbers are aligned to the right, text to the left. */
export function table(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const text = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? count(cell) : cell)))
  const widths = header.map((title, column) =>
    Math.max(title.length, ...text.map((row) => visibleLength(row[column] ?? ''))),
  )
  const line = (cells: readonly string[], source?: readonly Cell[]): string =>
    cells
      .map((cell, column) => {
        const padding = ' '.repeat(Math.max(0, (widths[column] ?? 0) - visibleLength(cell)))
        return typeof source?.[column] === 'number' ? padding + cell : cell + padding
      })
      .join('  ')
      .trimEnd()
  const head = line(header, rows[0])
  return [bold(head), ...text.map((cells, i) => line(cells, rows[i]))].join('\n')
}

function visibleLength(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes are control characters.
  return text.replace(/\x1b\[[0-9]+m/g, '').length
}

/** One result: the object for machines, the text for a person. */
export function print(json: boolean, value: object, text: () => string): void {
  process.stdout.write(`${json ? JSON.stringify(value) : text()}\n`)
}
