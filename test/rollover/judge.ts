/** What must hold after the last session: the histories, the effects, and that a replay of each session alone gives its digests. */
import { type ChainReport, checkChain } from '../../src/cli/bench/rollover/chain-check.js'
import { component as notifier } from '../../src/examples/sms/notifier.js'
import { component as router } from '../../src/examples/sms/router.js'
import { component as scanner } from '../../src/examples/sms/scanner.js'
import { component as shipments } from '../../src/examples/sms/shipments.js'
import { replayComponent } from '../../src/replay/replay.js'
import { LmdbLogReader } from '../../src/store/lmdb-log-reader.js'
import type { DaysOutcome } from './days.js'

export interface Verdict extends ChainReport {
  /** Recorded digests that replays have given, too. */
  readonly digestsVerified: number
}

export async function judge(outcome: DaysOutcome): Promise<Verdict> {
  const report = await checkChain({ ...outcome, isComplete: false })
  const problems = [...report.problems]
  const [directory = ''] = outcome.directories.values()
  let digestsVerified = 0
  for (const session of outcome.sessions) {
    for (const component of [scanner, shipments, router, notifier]) {
      const log = await LmdbLogReader.open(directory, session)
      const replayed = await replayComponent({ session, component, log })
      await log.close()
      digestsVerified += replayed.digestsVerified
      if (replayed.ended !== 'complete')
        problems.push(`${session}: replay of ${component.name}: ${replayed.failure?.message}`)
    }
  }
  return { ...report, problems, digestsVerified }
}
