/**
 * The child of the hot-path tests: warms one machine up, drives a million events through it, and tells its parent what that
 * allocated and how often the collector ran. A process of its own, because the test runner's loaders allocate too.
 *
 * What is allocated is the sum of the heap's growth over many short stretches: a collection in one of them hides no more
 * than that one.
 */
import { PerformanceObserver } from 'node:perf_hooks'
import { MACHINES } from './machines.js'

/** Enough for the optimising compiler, which works beside the main thread. */
const WARM_UP_EVENTS = 600_000
const STRETCH_EVENTS = 10_000

export interface Driven {
  readonly allocatedBytes: number
  readonly collections: number
  /** Heap in use after a full collection, compared with before. */
  readonly growthBytes: number
}

const [name = '', events = '1000000'] = process.argv.slice(2)
const create = MACHINES[name]
const collect = globalThis.gc
if (create === undefined || collect === undefined) throw new Error(`no machine '${name}', or no --expose-gc`)
const drive = create()
for (let i = 0; i < WARM_UP_EVENTS; i += STRETCH_EVENTS) {
  drive(STRETCH_EVENTS)
  // Lets compiled code be installed.
  await new Promise((resolve) => setImmediate(resolve))
}

let collections = 0
collect()
const before = process.memoryUsage().heapUsed
await new Promise((resolve) => setTimeout(resolve, 20))
const observer = new PerformanceObserver((list) => {
  collections += list.getEntries().length
})
observer.observe({ entryTypes: ['gc'] })
let allocatedBytes = 0
let left = process.memoryUsage().heapUsed
for (let i = 0; i < Number(events); i += STRETCH_EVENTS) {
  drive(STRETCH_EVENTS)
  const now = process.memoryUsage().heapUsed
  if (now > left) allocatedBytes += now - left
  left = process.memoryUsage().heapUsed
}
await new Promise((resolve) => setTimeout(resolve, 20))
observer.disconnect()
collect()
const driven: Driven = { allocatedBytes, collections, growthBytes: process.memoryUsage().heapUsed - before }
process.send?.(driven)
