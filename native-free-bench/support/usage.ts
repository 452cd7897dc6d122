/** What a process has used so far, told to its parent when asked. */
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { tellParent } from './children.js'

export interface Usage {
  /** Processor time, user and system. */
  readonly cpuUs: number
  /** Monotonic, of this process. */
  readonly atUs: number
  readonly rssBytes: number
  readonly heapBytes: number
  /** Packets and other memory outside of the heap. */
  readonly bufferBytes: number
  readonly collections: number
  readonly collectionMs: number
  /** How late the event loop was, since the last report; 0 where that is not watched. */
  readonly delayP50Ms: number
  readonly delayMaxMs: number
}

const NS_PER_MS = 1e6

/**
 * Answers each message of the parent with a `Usage`.
 * @param watch whether collections and the event loop's delay are watched, which costs a timer
 */
export function reportUsage(watch: boolean): void {
  let collections = 0
  let collectionMs = 0
  const delay = watch ? monitorEventLoopDelay({ resolution: 10 }) : undefined
  if (watch) {
    const observer = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) {
        collections += 1
        collectionMs += duration
      }
    })
    observer.observe({ entryTypes: ['gc'] })
    delay?.enable()
  }
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
    const usage: Usage = {
      cpuUs: user + system,
      atUs: performance.now() * 1000,
      rssBytes: rss,
      heapBytes: heapUsed,
      bufferBytes: arrayBuffers,
      collections,
      collectionMs,
      delayP50Ms: (delay?.percentile(50) ?? 0) / NS_PER_MS,
      delayMaxMs: (delay?.max ?? 0) / NS_PER_MS,
    }
    delay?.reset()
    tellParent(usage)
  })
}

/** Asks a child that reports. */
export async function usageOf(child: { message(): Promise<unknown>; send(message: object): void }): Promise<Usage> {
  const answer = child.message()
  child.send({ report: true })
  const usage = await answer
  if (!isUsage(usage)) throw new Error('the child did not report what it has used')
  return usage
}

function isUsage(value: unknown): value is Usage {
  return typeof value === 'object' && value !== null && 'cpuUs' in value && 'atUs' in value
}
