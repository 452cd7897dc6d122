/**
 * G4: what was ever reported stable stays. Seen from two sides.
 *
 * From the reigns: every reign that begins has all in its log that was stable, and nothing becomes stable that a newer reign lacks.
 *
 * From the disks (rules 1, 4 and 6 of the design's §8): a voter acknowledges what its disk has, of the branch that the reign is on,
 * and under no reign older than its promise; it grants what its disk has promised, and grants count only of voters that have
 * what was stable. A report of stability needs acknowledgements of a majority that name the reign, and its opening event among them.
 */
import type { SimObserver, SimProcess } from '../observer.js'
import { Violation } from '../violation.js'
import type { Chronicle, Reader, Reign } from './chronicle.js'
import type { Disks } from './disks.js'
import type { ControlSays, GrantSays, StoreSays } from './messages.js'
import { epochAt, firstDifference, tableText } from './tables.js'

export class NothingLost implements Reader, SimObserver {
  readonly #chronicle: Chronicle
  readonly #disks: Disks
  readonly #majority: number
  /** By epoch and voter: how far it has acknowledged in that reign. */
  readonly #acknowledged = new Map<string, number>()
  readonly #voters: readonly string[]
  /** By epoch and candidate: the voters that have granted, and had what was stable. */
  readonly #grants = new Map<string, Set<string>>()

  constructor(chronicle: Chronicle, disks: Disks, voters: readonly string[]) {
    this.#chronicle = chronicle
    this.#disks = disks
    this.#voters = voters
    this.#majority = Math.floor(voters.length / 2) + 1
  }

  reign(reign: Reign): void {
    const { stableTable, stableSequence, stableEpoch } = this.#chronicle
    if (reign.epoch < stableEpoch) return // It comes too late to make anything stable; `NoFork` sees to it.
    const parts = firstDifference(reign.table, stableTable, stableSequence)
    const lacks = parts > 0 ? parts : reign.opening <= stableSequence ? reign.opening : 0
    if (lacks > 0) {
      throw new Violation(
        'G4',
        `a stable event is lost: ${reign.node} reigns in epoch ${reign.epoch} on ${tableText(reign.table)}, and events from ` +
          `${lacks} to ${stableSequence} were stable on ${tableText(stableTable)}`,
      )
    }
    if (stableSequence > 0) this.#requireGrants(reign)
  }

  stableReport(reign: Reign, stableSequence: number): void {
    if (stableSequence <= this.#chronicle.stableSequence) return
    this.#requireNewerHave(reign, stableSequence)
    if (stableSequence < reign.opening) {
      throw new Violation(
        'G4',
        `stable without the opening event: ${reign.node} reports events up to ${stableSequence} stable, and epoch ` +
          `${reign.epoch} opens with event ${reign.opening}`,
      )
    }
    const acknowledging = this.#acknowledging(reign, stableSequence)
    if (acknowledging.length < this.#majority) {
      throw new Violation(
        'G4',
        `stable without acknowledgements: ${reign.node} reports events up to ${stableSequence} stable in epoch ${reign.epoch}, ` +
          `and in that reign ${namesOf(acknowledging)} acknowledged the last`,
      )
    }
  }

  /**
   * The reign in which an event is stable by what the voters have acknowledged, whether a sequencer has said so or not.
   * @param epoch of the event's birth
   */
  stableIn(epoch: number, sequence: number): Reign | undefined {
    return this.#chronicle
      .reigns()
      .find(
        (reign) =>
          reign.opening <= sequence &&
          epochAt(reign.table, sequence) === epoch &&
          this.#acknowledging(reign, sequence).length >= this.#majority,
      )
  }

  #acknowledging({ epoch }: Reign, sequence: number): string[] {
    return this.#voters.filter((voter) => (this.#acknowledged.get(`${epoch}/${voter}`) ?? 0) >= sequence)
  }

  /** To be told before the disks are. What a voter has recorded and never acknowledged, nobody counts on. */
  truncated({ node, voter }: SimProcess, fromSequence: number): void {
    const { stableSequence, stableTable, stableEpoch } = this.#chronicle
    const { table } = this.#disks.of(node)
    const acknowledged = this.#acknowledged.get(`${stableEpoch}/${voter}`) ?? 0
    const last = Math.min(acknowledged, stableSequence)
    if (fromSequence > last || firstDifference(table, stableTable, last) > 0) return
    throw new Violation(
      'G4',
      `a stable event is cut off: ${node} truncates from event ${fromSequence} on, and has acknowledged those up to ${last}, ` +
        'which are stable',
    )
  }

  control(process: SimProcess, says: ControlSays): void {
    if (process.voter === '') return
    if (says.kind === 'store' && says.epoch > 0) this.#onAcknowledgement(process, says)
    else if (says.kind === 'grant') this.#onGrant(process, says)
  }

  #onAcknowledgement({ node, voter }: SimProcess, { epoch, durableSequence }: StoreSays): void {
    const disk = this.#disks.of(node)
    const key = `${epoch}/${voter}`
    this.#acknowledged.set(key, Math.max(this.#acknowledged.get(key) ?? 0, durableSequence))
    if (durableSequence > disk.synced) {
      throw new Violation(
        'G4',
        `acknowledged before it was synced: ${node} acknowledges events up to ${durableSequence} in epoch ${epoch}, and its ` +
          `disk has ${disk.synced}`,
      )
    }
    if (epoch < disk.promised) {
      throw new Violation(
        'G5',
        `behind the fence: ${node} acknowledges in epoch ${epoch}, and has promised ${disk.promised}`,
      )
    }
    const reign = this.#chronicle.reignOf(epoch)
    const parts = reign === undefined ? 0 : firstDifference(disk.table, reign.table, durableSequence)
    if (reign !== undefined && parts > 0) {
      throw new Violation(
        'G5',
        `acknowledged from another branch: ${node} acknowledges events up to ${durableSequence} in epoch ${epoch} ` +
          `(${tableText(reign.table)}), and has ${tableText(disk.table)}`,
      )
    }
  }

  #onGrant({ node, voter }: SimProcess, { epoch, candidate }: GrantSays): void {
    const disk = this.#disks.of(node)
    if (disk.keepsPromises && disk.promised !== epoch) {
      const what = disk.promised < epoch ? 'granted before it was promised' : 'behind the fence'
      throw new Violation('G5', `${what}: ${node} grants epoch ${epoch}, and its disk has promised ${disk.promised}`)
    }
    if (!disk.isWhole) return
    const key = `${epoch}/${candidate}`
    const granted = this.#grants.get(key) ?? new Set()
    this.#grants.set(key, granted.add(voter))
  }

  #requireGrants(reign: Reign): void {
    const granted = this.#grants.get(`${reign.epoch}/${reign.sender}`)
    if ((granted?.size ?? 0) >= this.#majority) return
    const by = namesOf([...(granted ?? [])])
    throw new Violation(
      'G4',
      `a reign without grants: ${reign.node} reigns in epoch ${reign.epoch}; of the voters that have what was stable ${by} granted`,
    )
  }

  #requireNewerHave(reign: Reign, stableSequence: number): void {
    for (const newer of this.#chronicle.reigns()) {
      if (newer.epoch <= reign.epoch) continue
      const parts = firstDifference(newer.table, reign.table, stableSequence)
      if (parts === 0) continue
      throw new Violation(
        'G4',
        `a stable event is lost: ${reign.node} reports events up to ${stableSequence} stable in epoch ${reign.epoch}, and ` +
          `epoch ${newer.epoch} (${newer.node}, ${tableText(newer.table)}) goes on without those from ${parts} on`,
      )
    }
  }
}

function namesOf(voters: readonly string[]): string {
  return voters.length === 0 ? 'nobody' : voters.join(', ')
}
