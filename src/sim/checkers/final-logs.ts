/** At the end: every store has the stable stream of each session, all of it, to the byte, and nobody is on another branch (G4, G5). */
import type { FinalState } from '../observer.js'
import { Violation } from '../violation.js'
import type { Chronicle } from './chronicle.js'
import type { Disks } from './disks.js'
import { eachBlock, epochOf, equalBytes } from './reading.js'
import { firstDifference, tableText } from './tables.js'

export function checkFinalLogs(chronicle: Chronicle, { stores, stableSequence }: FinalState): void {
  if (stableSequence < chronicle.stableSequence) {
    throw new Violation(
      'G4',
      `stable events are forgotten: at the end events up to ${stableSequence} are stable, and those up to ` +
        `${chronicle.stableSequence} were`,
    )
  }
  for (const { process, log } of stores) {
    let next = 1
    log.read(1, Number.MAX_SAFE_INTEGER, (sequence, count, bytes, start) => {
      if (sequence !== next) throw new Violation('G4', `a hole in a recording: ${process.node} lacks event ${next}`)
      eachBlock(bytes, start, count, (from, to) => {
        const event = chronicle.stableEvent(next)
        if (event === undefined || !equalBytes(event, bytes.subarray(from, to))) {
          throw new Violation(
            'G5',
            `another branch at the end: ${process.node} has an event ${next} of epoch ${epochOf(bytes, from)} that is not the stable one`,
          )
        }
        next++
      })
      return true
    })
    if (next <= chronicle.stableSequence) {
      throw new Violation(
        'G4',
        `a stable event is lost: ${process.node} ends before event ${next} of ${chronicle.stableSequence}`,
      )
    }
  }
}

/** Of a session that has ended every store has what there is to have: up to its first end; later reigns may have said that again. */
export function checkPastLogs(chronicle: Chronicle, disks: Disks, endSequence: number): void {
  for (const { node, synced, table } of disks.all()) {
    if (synced < endSequence) {
      throw new Violation(
        'G4',
        `a stable event is lost: ${node} ends ${chronicle.session} with event ${synced}, and ${endSequence} ends it`,
      )
    }
    const parts = firstDifference(table, chronicle.stableTable, Math.min(synced, endSequence))
    if (parts === 0) continue
    throw new Violation(
      'G5',
      `another branch at the end: ${node} has ${tableText(table)} of ${chronicle.session}, and from ${parts} on others are stable`,
    )
  }
}
