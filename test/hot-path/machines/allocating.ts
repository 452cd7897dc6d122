/** What must not be: one small object for each event. The tests' meter is checked with it. */
import type { Drive } from '../machines.js'

/** Enough of them are held that the compiler cannot do without. */
const HELD = 1024

export function createAllocating(): Drive {
  const held: { sequence: number }[] = []
  let sequence = 0
  return (events) => {
    for (let i = 0; i < events; i++) held[sequence++ % HELD] = { sequence }
  }
}
