/** The machines of the hot path, each as a function that drives so many events through it without allocating itself. */
import { createAllocating } from './machines/allocating.js'
import { createHost, createReadingHost } from './machines/host.js'
import { createOutbox } from './machines/outbox.js'
import { createReceiver } from './machines/receiver.js'
import { createRecorder } from './machines/recorder.js'
import { createGatheringSequencer, createSequencer } from './machines/sequencer.js'

export type Drive = (events: number) => void

export const MACHINES: Readonly<Record<string, () => Drive>> = {
  sequencer: createSequencer,
  'gathering-sequencer': createGatheringSequencer,
  outbox: createOutbox,
  receiver: createReceiver,
  recorder: createRecorder,
  host: createHost,
  'reading-host': createReadingHost,
  allocating: createAllocating,
}
