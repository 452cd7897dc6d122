/**
 * `seqcast bench store`: events appended as a store appends them, packet by packet, and counted when they are durable: synced
 * by LMDB before its promise resolved. Latency is from the append of a packet to its being durable, at full load.
 */
import type { Histogram } from 'hdr-histogram-js'
import { LmdbEventLog } from '../../store/lmdb-event-log.js'
import { createHistogram, type Quantiles, quantilesUs, recordUs } from './histogram.js'
import { eventsPerDatagram, opaqueBlocks } from './messages.js'

export interface StoreBenchOptions {
  readonly directory: string
  readonly events: number
  readonly bytes: number
  readonly datagram: number
  readonly rounds: number
  /** Called after each round that counts. */
  readonly onRound: () => void
}

export interface StoreResult {
  readonly bench: 'store'
  readonly idle: 'block'
  readonly bytes: number
  readonly datagram: number
  readonly rounds: number
  readonly events: number
  /** The median of the rounds. */
  readonly eventsPerSecond: number
  readonly best: number
  readonly lost: number
  /** From append to durable, in microseconds. */
  readonly measured: Quantiles
}

/** Appended in one turn of the event loop, as of a burst of datagrams. */
const TURN_PACKETS = 32
/** Enough that a transaction waits while one is written; a store under load has more. */
const PENDING_PACKETS = 8_192

export async function benchStore(options: StoreBenchOptions): Promise<{ result: StoreResult; histogram: Histogram }> {
  const histogram = createHistogram()
  const rates: number[] = []
  for (let round = 0; round <= options.rounds; round++) {
    const log = await LmdbEventLog.open({ directory: options.directory, session: `ROUND${round}` })
    const rate = await appendAll(log, options, round === 0 ? createHistogram() : histogram)
    await log.close()
    if (round === 0) continue
    rates.push(rate)
    options.onRound()
  }
  rates.sort((a, b) => a - b)
  const { bytes, datagram, rounds, events } = options
  const result: StoreResult = {
    ...{ bench: 'store', idle: 'block', bytes, datagram, rounds, events },
    eventsPerSecond: Math.round(rates[Math.floor(rates.length / 2)] ?? 0),
    best: Math.round(rates.at(-1) ?? 0),
    lost: 0,
    measured: quantilesUs(histogram),
  }
  return { result, histogram }
}

/** @returns events a second, from the first append until all is durable */
function appendAll(log: LmdbEventLog, options: StoreBenchOptions, histogram: Histogram): Promise<number> {
  const perPacket = eventsPerDatagram(options.datagram, options.bytes)
  const run = opaqueBlocks(options.bytes, 1, perPacket)
  const packets = Math.ceil(options.events / perPacket)
  const appendedMs = new Float64Array(packets)
  let appended = 0
  let durable = 0
  return new Promise((resolve, reject) => {
    const startMs = performance.now()
    const turn = (): void => {
      for (let i = 0; i < TURN_PACKETS && appended < packets && log.pendingPackets < PENDING_PACKETS; i++) {
        appendedMs[appended] = performance.now()
        log.append(1 + appended * perPacket, perPacket, run, 0, run.length, 1_700_000_000_000_000 + appended)
        appended += 1
      }
      if (appended < packets) setImmediate(turn)
    }
    log.onFailure(reject)
    log.onDurable((durableSequence) => {
      const nowMs = performance.now()
      for (const last = durableSequence / perPacket; durable < last; durable++) {
        recordUs(histogram, (nowMs - appendedMs[durable]!) * 1_000)
      }
      if (durable >= packets) resolve((packets * perPacket * 1_000) / (nowMs - startMs))
    })
    turn()
  })
}
