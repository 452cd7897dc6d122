/** What a batch of runs tells people: how often everything was met, and for each failure what is needed to see it again. */
import type { Exercised } from './exercise.js'
import { describeFault } from './fault-text.js'
import type { SimFailure, SimulateReport } from './simulate.js'

/** @param mustMeetAll whether what the batch has not met is a failure */
export function describeReport(report: SimulateReport, mustMeetAll: boolean): string {
  const { runs, failures, exercised, events, virtualUs, firstSeed } = report
  const lines = [table(exercised), '']
  if (report.missing.length > 0) {
    const what = `never met in ${runs} runs: ${report.missing.join(', ')}`
    lines.push(mustMeetAll ? `FAILED: ${what}; what was not met was not tested` : what)
  }
  const seeds = runs === 1 ? `seed ${firstSeed}` : `seeds ${firstSeed} to ${firstSeed + runs - 1}`
  const violations = failures.length === 1 ? '1 violation' : `${failures.length} violations`
  const seconds = (virtualUs / 1_000_000).toFixed(0)
  lines.push(
    `${runs} ${runs === 1 ? 'run' : 'runs'} (${seeds}), ${violations}; ${events} events in ${seconds} s of virtual time`,
  )
  return `${lines.join('\n')}\n`
}

/** @param command how the program is called that makes such runs */
export function describeFailure(failure: SimFailure, command: string): string {
  const { report, minimised, only, shrinkTries } = failure
  const violation = minimised.violation ?? report.violation
  const seconds = ((violation?.atUs ?? 0) / 1_000_000).toFixed(6)
  const kept = `${only.length} of ${report.faults.length} faults are enough (${shrinkTries} runs to find them)`
  return [
    `VIOLATION of ${violation?.guarantee} with seed ${report.seed}, at ${seconds} s of virtual time`,
    `  ${violation?.message.replaceAll('\n', '\n  ')}`,
    `  system: ${report.topology}`,
    `  ${kept}:`,
    ...(only.length === 0 ? ['    none'] : scheduleLines(failure)),
    `  see it again: ${command} --seed ${report.seed} --only ${only.length === 0 ? 'none' : only.join(',')} --verbose`,
  ].join('\n')
}

/** What was played says whom an alias stood for; what came after the failure was not. */
function scheduleLines({ report, only, minimised }: SimFailure): string[] {
  const drawn = only.flatMap((at) => report.faults[at] ?? []).map(describeFault)
  return drawn.map(
    (text) => `  ${minimised.played.find((played) => played.startsWith(text)) ?? `${text} (not reached)`}`,
  )
}

function table(exercised: Exercised): string {
  const rows = Object.entries(exercised)
  const width = Math.max(0, ...rows.map(([what]) => what.length))
  return rows.map(([what, count]) => `  ${what.padEnd(width)}  ${String(count).padStart(9)}`).join('\n')
}
