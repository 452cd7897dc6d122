/** What the checkpoint bench prints for people. */
import { count, table } from '../../output.js'
import type { CheckpointResult } from './run.js'

export function checkpointText(result: CheckpointResult): string {
  const { events, entities, behind, rounds, bytes, takenMs, restart, fromBeginning } = result
  const seconds = (value: number): string => `${value.toFixed(2)} s`
  const rows = [
    [`checkpoint ${count(behind)} events back`, seconds(restart.median), seconds(restart.best), seconds(restart.worst)],
    ['from the first event', seconds(fromBeginning.seconds), '', ''],
  ]
  const head = `checkpoint: ${count(entities)} live entities in a session of ${count(events)} events, ${rounds} restarts`
  return [
    head,
    table(['start of the process to caught up', 'median', 'best', 'worst'], rows),
    `from the first event that is ${count(fromBeginning.eventsPerSecond)} events a second`,
    `the checkpoint has ${count(bytes)} bytes; taking it held the replica up for ${takenMs.toFixed(0)} ms`,
  ].join('\n\n')
}
