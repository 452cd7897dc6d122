/** Runs `seqcast demo` and reads its report. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateItchFile } from '../../src/examples/oms/itch-generator.js'
import { writeInput } from '../examples/data.js'
import { Program } from './world.js'

/** What the tests read of the demo's object; the rest of it is compared as a whole. */
export interface DemoReport extends Readonly<Record<string, unknown>> {
  readonly verified: boolean
  readonly problems: readonly string[]
  readonly restarts: number
  readonly counters: Readonly<Record<string, number>>
}

/** A folder for the recordings of the demos of a file, removed when the process ends, and what still runs with it. */
export class DemoFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'seqcast-demo-'))
  readonly #programs: Program[] = []
  #runs = 0

  constructor() {
    process.once('exit', () => {
      for (const program of this.#programs) void program.stop()
      rmSync(this.path, { recursive: true, force: true })
    })
  }

  generate(orders: number, seed: number): string {
    return writeInput(this.path, `${orders}-${seed}.itch50`, generateItchFile({ orders, seed }))
  }

  /** @throws Error where the demo fails, with what it said */
  async run(input: string, ...more: readonly string[]): Promise<DemoReport> {
    this.#runs += 1
    const program = new Program([
      'demo',
      '--input',
      input,
      '--json',
      '--dir',
      join(this.path, `run-${this.#runs}`),
      ...more,
    ])
    this.#programs.push(program)
    const { code, stdout, stderr } = await program.ended
    if (code !== 0) throw new Error(`the demo ended with ${code}\n${stdout}\n${stderr}`)
    const lines = stdout.trimEnd().split('\n')
    if (lines.length !== 1) throw new Error(`one line was expected on stdout, and not ${lines.length}`)
    const report: unknown = JSON.parse(lines[0] ?? '')
    if (!isReport(report)) throw new Error(`no report: ${stdout}`)
    return report
  }
}

function isReport(value: unknown): value is DemoReport {
  return typeof value === 'object' && value !== null && 'verified' in value && 'restarts' in value
}

/** The keys of `wanted` as the report has them. */
export function selected(report: DemoReport, wanted: object): Record<string, unknown> {
  return Object.fromEntries(Object.keys(wanted).map((key) => [key, report[key]]))
}
