/** Runs `seqcast demo` and reads its report. */
import { once } from 'node:events'
import type { Test } from 'tap'
import { generateItchFile } from '../../src/examples/oms/itch-generator.js'
import { temporaryFolder, writeInput } from '../examples/data.js'
import { stage } from '../fixtures/processes.js'

/** A demo that takes so long has got stuck. */
const GIVE_UP_MS = 100_000

/** What the tests read of the demo's object; the rest of it is compared as a whole. */
export interface DemoReport extends Readonly<Record<string, unknown>> {
  readonly verified: boolean
  readonly problems: readonly string[]
  readonly restarts: number
  readonly counters: Readonly<Record<string, number>>
}

/** Writes a file of the demo's own generator. */
export function generatedInput(orders: number, seed: number): string {
  return writeInput(temporaryFolder(), `${orders}-${seed}.itch50`, generateItchFile({ orders, seed }))
}

/** @throws Error where the demo fails, with what it said */
export async function runDemo(t: Test, input: string, ...more: readonly string[]): Promise<DemoReport> {
  const place = await stage(t)
  const demo = place.start('demo', '--input', input, '--json', '--dir', place.path('demo'), ...more)
  // SIGTERM, so that it takes its processes with it.
  const timer = setTimeout(() => demo.child.kill('SIGTERM'), GIVE_UP_MS)
  await once(demo.child, 'close')
  clearTimeout(timer)
  const { stderr, lines } = demo
  const { exitCode } = demo.child
  if (exitCode !== 0 || lines.length !== 1) {
    throw new Error(`the demo ended with ${exitCode} and ${lines.length} lines\n${lines.join('\n')}\n${stderr}`)
  }
  const report: unknown = JSON.parse(lines[0] ?? '')
  if (!isReport(report)) throw new Error(`no report: ${lines[0]}`)
  return report
}

function isReport(value: unknown): value is DemoReport {
  return typeof value === 'object' && value !== null && 'verified' in value && 'restarts' in value
}

/** The keys of `wanted` as the report has them. */
export function selected(report: DemoReport, wanted: object): Record<string, unknown> {
  return Object.fromEntries(Object.keys(wanted).map((key) => [key, report[key]]))
}
