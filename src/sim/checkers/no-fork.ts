/**
 * G5: at most one of the sequencers that run makes events stable, and whoever does is on the branch of all that was stable.
 * Two sequencers in one epoch, and two events of one number in one epoch, the chronicle finds itself.
 */
import { Violation } from '../violation.js'
import type { Chronicle, Reader, Reign } from './chronicle.js'
import { firstDifference, tableText } from './tables.js'

export class NoFork implements Reader {
  readonly #chronicle: Chronicle

  constructor(chronicle: Chronicle) {
    this.#chronicle = chronicle
  }

  stableReport(reign: Reign, stableSequence: number): void {
    const { stableTable, stableSequence: known, stableEpoch } = this.#chronicle
    const parts = firstDifference(reign.table, stableTable, Math.min(stableSequence, known))
    if (parts > 0) {
      throw new Violation(
        'G5',
        `a fork of the stable stream: ${reign.node} (epoch ${reign.epoch}, ${tableText(reign.table)}) reports events up to ` +
          `${stableSequence} stable, and from ${parts} on others were (${tableText(stableTable)})`,
      )
    }
    if (stableSequence > known && reign.epoch < stableEpoch) {
      throw new Violation(
        'G5',
        `two reigns make events stable: ${reign.node} reports up to ${stableSequence} stable in epoch ${reign.epoch}, after ` +
          `epoch ${stableEpoch} had made events up to ${known} stable`,
      )
    }
  }
}
