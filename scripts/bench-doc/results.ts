/** Results as the scenarios print them: JSON lines, each with the command that made it and the run's machine before them. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'

export interface Quantiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly 'p99.9': number
  readonly 'p99.99': number
  readonly max: number
}

/** What a line may hold; which of it depends on the scenario. */
export interface Result {
  readonly bench: string
  /** As a user would type it. */
  readonly command: string
  readonly idle?: string
  readonly bytes?: number
  readonly datagram?: number
  readonly rounds?: number
  readonly standbys?: number
  /** Events a second that `load` offers. */
  readonly rate?: number
  readonly way?: string
  readonly codec?: string
  readonly floor?: Quantiles
  readonly measured?: Quantiles
  readonly ratio?: { readonly p50: number; readonly p99: number }
  readonly eventsPerSecond?: number
  readonly events?: number
  readonly lost?: number
  readonly gaps?: number
  readonly maxRssBytes?: number
  readonly earlyRssBytes?: number
  readonly lateRssBytes?: number
  readonly peers?: Readonly<Record<string, Quantiles>>
  readonly rates?: Readonly<Record<string, { readonly stored: number; readonly replayed: number }>>
  readonly missing?: readonly string[]
  readonly [field: string]: unknown
}

export interface Machine {
  readonly date: string
  readonly commit: string
  readonly node: string
  readonly system: string
  readonly processor: string
  readonly processors: number
  readonly memoryGb: number
}

export interface Run {
  readonly machine: Machine
  readonly results: readonly Result[]
}

export function thisMachine(): Machine {
  const all = cpus()
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    commit:
      git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--', 'src') === '' ? '' : ' with changes'),
    node: process.version,
    system: `${type()} ${release()}`,
    processor: all[0]?.model ?? 'unknown',
    processors: all.length,
    memoryGb: Math.round(totalmem() / 1e9),
  }
}

/** The first line is the machine, the others are results. */
export function writeRun({ machine, results }: Run): string {
  return `${[machine, ...results].map((line) => JSON.stringify(line)).join('\n')}\n`
}

/** @throws Error where a file is not one that `writeRun` made */
export function readRun(path: string): Run {
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean)
  const [machine, ...results] = lines.map(parse)
  if (!isMachine(machine)) throw new Error(`${path}: the first line does not say which machine it was`)
  return { machine, results: results.filter(isResult) }
}

/** Lines that are no results (a scenario's other output) are left out. */
export function parseResults(output: string, command: string): Result[] {
  const objects = output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map(parse)
  return objects.flatMap((value) => {
    const withCommand: unknown = typeof value === 'object' && value !== null ? { ...value, command } : undefined
    return isResult(withCommand) ? [withCommand] : []
  })
}

/** What could not be measured is NaN, which JSON has as null. */
function parse(line: string): unknown {
  return JSON.parse(line, (_key, value: unknown) => (value === null ? Number.NaN : value))
}

function isMachine(value: unknown): value is Machine {
  return typeof value === 'object' && value !== null && 'commit' in value && 'node' in value
}

function isResult(value: unknown): value is Result {
  return typeof value === 'object' && value !== null && 'bench' in value && 'command' in value
}

function git(...args: string[]): string {
  try {
    return execFileSync('git', args, { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}
