/** What must be reached, and which result says whether it was. */
import type { Result } from './results.js'

export interface Target {
  readonly what: string
  readonly must: string
  /** @returns what was measured and whether that is enough; undefined where it was not measured */
  judge(results: readonly Result[]): { readonly measured: string; readonly reached: boolean } | undefined
}

const FLAT_EVENTS = 50_000_000
const FLAT_BYTES = 150_000_000
/** The last third of a run may need this much more than the first. */
const FLAT_GROWTH = 1.1

export const TARGETS: readonly Target[] = [
  roundTrip('spin'),
  roundTrip('block'),
  {
    what: '`seqcast bench rtt` block, a recording store and two standbys listening, median / floor block',
    must: 'at most 2',
    judge: (results) => {
      const ratio = results.find((r) => r.bench === 'rtt' && isOwn(r))?.ratio
      return ratio === undefined ? undefined : { measured: ratio.p50.toFixed(2), reached: ratio.p50 <= 2 }
    },
  },
  {
    what: '`load` at 100,000 events a second, p99 / raw datagrams at the same packet rate',
    must: 'at most 2, nothing lost',
    judge: (results) => {
      const load = results.find((r) => r.bench === 'load' && r.eventsPerSecond === 100_000)
      if (load?.ratio === undefined) return undefined
      const { floor, lost = 0, ratio } = load
      const raw = floor === undefined ? '' : `; p99 of the raw datagrams ${Math.round(floor.p99)} us`
      return { measured: `${ratio.p99.toFixed(2)}, ${lost} lost${raw}`, reached: ratio.p99 <= 2 && lost === 0 }
    },
  },
  rate('`throughput`, 64 bytes, datagrams of 1,400', 2e6, (r) => r.bench === 'throughput' && r.datagram === 1400),
  rate('`throughput`, 64 bytes, datagrams of 8,972', 6e6, (r) => r.bench === 'throughput' && r.datagram === 8972),
  rate('`seqcast bench store`, 64 bytes, durable', 2e6, (r) => r.bench === 'store'),
  rate('`seqcast bench rewind`, local LMDB, fixed layout', 10e6, isRewind('local', 'fixed')),
  rate('the same, protobuf of 20 bytes, decoded', 3e6, isRewind('local', 'protobuf')),
  rate('the first over SoupBinTCP between two processes', 4e6, isRewind('tcp', 'fixed')),
  {
    what: 'resident memory of a sequencer after 50 million events',
    must: 'flat, under 150 MB',
    judge: (results) => {
      const soak = results.find((r) => r.bench === 'soak')
      if (soak?.maxRssBytes === undefined) return undefined
      const { earlyRssBytes = 0, events = 0, lateRssBytes = 0, maxRssBytes } = soak
      const [early, late, most] = [earlyRssBytes, lateRssBytes, maxRssBytes].map((bytes) => (bytes / 1e6).toFixed(0))
      const measured = `${early} MB in the first third of ${(events / 1e6).toFixed(1)} million, ${late} MB in the last, ${most} MB at most`
      const isFlat = lateRssBytes <= earlyRssBytes * FLAT_GROWTH
      return { measured, reached: isFlat && maxRssBytes < FLAT_BYTES && events >= FLAT_EVENTS }
    },
  },
]

function roundTrip(idle: string): Target {
  return {
    what: `\`rtt\` ${idle} / floor ${idle}, 64 bytes, median · p99`,
    must: 'at most 1.15 · 1.3',
    judge: (results) => {
      const ratio = results.find(
        (r) => r.bench === 'rtt' && !isOwn(r) && r.idle === idle && r.bytes === 64 && r.standbys === 0,
      )?.ratio
      if (ratio === undefined) return undefined
      const measured = `${ratio.p50.toFixed(2)} · ${ratio.p99.toFixed(2)}`
      return { measured, reached: ratio.p50 <= 1.15 && ratio.p99 <= 1.3 }
    },
  }
}

function rate(what: string, least: number, is: (result: Result) => boolean): Target {
  return {
    what,
    must: `at least ${least / 1e6} million events a second, nothing lost`,
    judge: (results) => {
      const result = results.find(is)
      if (result?.eventsPerSecond === undefined) return undefined
      const { eventsPerSecond, lost = 0 } = result
      const measured = `${(eventsPerSecond / 1e6).toFixed(2)} million${lost > 0 ? `, ${lost} lost` : ''}`
      return { measured, reached: eventsPerSecond >= least && lost === 0 }
    },
  }
}

function isRewind(way: string, codec: string): (result: Result) => boolean {
  return (r) => r.bench === 'rewind' && r.way === way && r.codec === codec
}

/** A bench of the command line, not of native-free-bench. */
function isOwn(result: Result): boolean {
  return result.command.startsWith('seqcast ')
}
