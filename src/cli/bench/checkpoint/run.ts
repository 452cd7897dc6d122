/**
 * `seqcast bench checkpoint`: how long a replica takes from the start of its process until it has caught up with a live session, from its
 * last checkpoint and from the first event. Store, sequencer and replicas are the processes that a user starts.
 */
import { fileURLToPath } from 'node:url'
import { chooseGroups, freeUdpPort } from '../../demo/topology.js'
import { BenchChild } from '../children.js'
import { medianOf } from '../histogram.js'
import type { RecordArgument } from './record-child.js'

const SESSION = 'CHECKPOINT'
const MODULE = fileURLToPath(new URL('./desk.js', import.meta.url))

export interface CheckpointBenchOptions {
  readonly directory: string
  readonly events: number
  readonly entities: number
  readonly behind: number
  readonly rounds: number
  readonly datagram: number
  /** Called after the recording, the sequencer's start, and each round. */
  readonly onStep: () => void
}

export interface CheckpointResult {
  readonly bench: 'checkpoint'
  readonly events: number
  readonly entities: number
  /** Events after the last checkpoint. */
  readonly behind: number
  readonly rounds: number
  readonly datagram: number
  /** Of the checkpoint. */
  readonly bytes: number
  /** How long the replica that took it stood still. */
  readonly takenMs: number
  /** From the start of the process until it has caught up, in seconds: median, best and worst of the rounds. */
  readonly restart: { readonly median: number; readonly best: number; readonly worst: number }
  readonly fromBeginning: { readonly seconds: number; readonly eventsPerSecond: number }
}

/** Steps before the rounds, and the one after them. */
export const CHECKPOINT_STEPS = 3

/** @throws SeqcastError E_BENCH */
export async function benchCheckpoint(options: CheckpointBenchOptions): Promise<CheckpointResult> {
  const { directory, rounds, datagram, onStep } = options
  const { entities, behind, events: wanted } = options
  const argument: RecordArgument = { directory, session: SESSION, events: wanted, entities, behind, datagram }
  const { child: recorder, message } = await BenchChild.script('checkpoint/record-child.js', argument)
  await recorder.gone()
  onStep()
  const children: BenchChild[] = []
  try {
    const { eventGroup, commandGroup, controlGroup } = await chooseGroups()
    const streams = ['--event-group', eventGroup, '--command-group', commandGroup, '--control-group', controlGroup]
    const common = ['--session', SESSION, '--datagram', String(datagram), ...streams]
    const ports = ['--request-port', '0', '--rewind-port', '0']
    children.push(await BenchChild.role(['store', '--dir', directory, ...ports, ...common], 'recording'))
    const requestPort = String(await freeUdpPort())
    children.push(await BenchChild.role(['sequencer', '--request-port', requestPort, ...common], 'settled'))
    onStep()
    const restart = async (flags: readonly string[]): Promise<number> => {
      const startMs = performance.now()
      const args = ['run', MODULE, '--local-store', directory, ...flags, ...common]
      const replica = await BenchChild.role(args, 'standby: caught up')
      const seconds = (performance.now() - startMs) / 1_000
      await replica.stop()
      return seconds
    }
    const measured: number[] = []
    for (let round = 0; round < rounds; round++) {
      measured.push(await restart(['--checkpoints', directory, '--checkpoint-every', '1000000000']))
      onStep()
    }
    const seconds = await restart([])
    onStep()
    const events = Number(message.events)
    return {
      bench: 'checkpoint',
      ...{ events, entities, behind: events - Number(message.sequence), rounds, datagram },
      bytes: Number(message.bytes),
      takenMs: Number(message.takenMs),
      restart: { median: medianOf(measured), best: Math.min(...measured), worst: Math.max(...measured) },
      fromBeginning: { seconds, eventsPerSecond: Math.round(events / seconds) },
    }
  } finally {
    for (const child of children.reverse()) await child.stop()
  }
}
