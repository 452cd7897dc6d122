/**
 * Makes a failing list smaller: delta debugging (Zeller and Hildebrandt 2002). Halves, quarters, ... of the list are left out
 * as long as what remains still fails; at the end no single entry can be left out, unless the tries are used up.
 */
export interface Shrunk<T> {
  readonly entries: readonly T[]
  readonly tries: number
}

/**
 * @param fails plays a list; true where it fails as the whole one did
 * @param maxTries after so many the smallest list that was found is taken
 */
export async function shrink<T>(
  entries: readonly T[],
  fails: (entries: readonly T[]) => Promise<boolean>,
  maxTries: number,
): Promise<Shrunk<T>> {
  let smallest = entries
  let tries = 0
  if (maxTries > 0 && entries.length > 0) {
    tries++
    if (await fails([])) return { entries: [], tries }
  }
  let parts = 2
  while (smallest.length > 1 && tries < maxTries) {
    const size = Math.ceil(smallest.length / parts)
    let isSmaller = false
    for (let from = 0; from < smallest.length && tries < maxTries; from += size) {
      const rest = [...smallest.slice(0, from), ...smallest.slice(from + size)]
      if (rest.length === 0) continue
      tries++
      if (!(await fails(rest))) continue
      smallest = rest
      parts = Math.max(parts - 1, 2)
      isSmaller = true
      break
    }
    if (isSmaller) continue
    if (parts >= smallest.length) break
    parts = Math.min(smallest.length, parts * 2)
  }
  return { entries: smallest, tries }
}
