/** Keeps one core busy, as a neighbour does who computes: in slices, so that it hears when its parent is gone. */
import { tellParent } from '../children.js'

const SLICE_MS = 20

function burn(): void {
  const untilMs = performance.now() + SLICE_MS
  while (performance.now() < untilMs);
  setImmediate(burn)
}

tellParent({})
burn()
