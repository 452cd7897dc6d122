/** `seqcast status`: who is alive, in which state, at which sequence, with which losses, and what is wrong. */
import { Command } from 'commander'
import { SeqcastError } from '../core/errors.js'
import { isCandidate, isSequencing } from '../protocol/sequencer-states.js'
import type { RoleOptions } from '../runtime/options.js'
import type { SequencerHeartbeat } from '../wire/control.js'
import { readConfiguration, roleOptions, TOOL_DEFAULTS } from './configuration.js'
import { Observer } from './observer.js'
import { bold, count, dim, print, red, table } from './output.js'
import { lossesOf, problemsOf, type Situation } from './status-problems.js'
import { addStreamOptions } from './stream-options.js'

/** Long enough to hear everybody at least three times. */
const LISTEN_MS = 400
/** A store says of a session that it has left where it goes on, four times a second. */
const FOLLOW_MS = 300
const SHORT_DIGEST = 12

export const statusCommand = new Command('status')
  .description('who is alive, in which state, at which sequence, with which losses, and what is wrong')
  .option('--check', 'exit status 1 where there is a problem')
  .action(async (flags: Record<string, unknown>) => {
    const configuration = readConfiguration(flags, TOOL_DEFAULTS)
    const options = roleOptions(configuration, 'status')
    const situation = await look(options)
    const { session } = situation
    const problems = problemsOf(situation)
    print(configuration.json, statusOf(session, situation, problems), () =>
      [
        `session ${bold(session)} on ${options.controlGroup.group}:${options.controlGroup.port}`,
        ...(session === options.session ? [] : [`session ${options.session} has gone on in it`]),
        statusTable(situation),
        ...problems.map((problem) => `${red('PROBLEM')} ${problem}`),
      ].join('\n'),
    )
    if (configuration.check === true && problems.length > 0) process.exitCode = 1
  })
addStreamOptions(statusCommand, 'warn')

interface Seen extends Situation {
  /** What a person calls each sequencer, by its sender. */
  readonly names: ReadonlyMap<number, string>
  /** The newest of the chain that begins with the one that was asked for. */
  readonly session: string
}

/** @throws SeqcastError E_SESSION_UNKNOWN where nobody was heard */
async function look(options: RoleOptions): Promise<Seen> {
  const observer = await Observer.openNewest(options, FOLLOW_MS)
  try {
    let stableBefore: number | undefined
    observer.control.listen((message) => {
      if (message.kind === 'sequencer' && isSequencing(message.body.state)) stableBefore ??= message.body.stableSequence
    })
    await new Promise((resolve) => setTimeout(resolve, LISTEN_MS))
    const { heard } = observer
    if (!observer.hasHeard) throw nobody(observer)
    const names = new Map([...heard.sequencers.keys()].map((sender) => [sender, observer.sequencerName(sender)]))
    return {
      heard,
      names,
      session: observer.options.session,
      stableBefore: stableBefore ?? 0,
      voters: await votersOf(observer.options, observer, stableBefore ?? 0),
    }
  } finally {
    observer.close()
  }
}

/** Only the first event of a session names its voters: it is asked for where they seem to be missing. */
async function votersOf(options: RoleOptions, observer: Observer, stableBefore: number): Promise<readonly string[]> {
  const waits = [...observer.heard.sequencers.values()].some(
    ({ state, nextSequence, stableSequence }) =>
      isSequencing(state) && stableSequence < nextSequence - 1 && stableSequence === stableBefore,
  )
  if (!waits) return []
  const { readSessionStart } = await import('../runtime/session-begin.js')
  return (await readSessionStart(options, observer.control, observer.cycle))?.voters ?? []
}

function nobody({ others, options }: Observer): SeqcastError {
  const { session, controlGroup } = options
  const at = `${controlGroup.group}:${controlGroup.port}`
  return new SeqcastError('E_SESSION_UNKNOWN', `nobody of session ${session} was heard on ${at}${others.text}`, {
    hint:
      others.hint ??
      'start one with: seqcast sequencer; or check --session, --control-group, --interface and --key-file',
    fields: { session },
  })
}

function statusOf(session: string, { heard, names }: Seen, problems: readonly string[]): object {
  return {
    session,
    sequencers: [...heard.sequencers].map(([sender, sequencer]) => ({ name: names.get(sender), sender, ...sequencer })),
    stores: [...heard.stores.values()],
    components: [...heard.components.values()].map((component) => ({
      ...component,
      digest: Buffer.from(component.digest).toString('hex'),
    })),
    problems,
  }
}

const byName = (a: { readonly name: string }, b: { readonly name: string }): number => (a.name < b.name ? -1 : 1)

function statusTable({ heard, names }: Seen): string {
  const rows = [
    ...[...heard.sequencers].map(([sender, s]) => [
      'sequencer',
      names.get(sender) ?? '',
      s.state,
      s.nextSequence - 1,
      aboutSequencer(s),
      lossText(s.counters),
    ]),
    ...[...heard.stores.values()]
      .sort(byName)
      .map((s) => [
        'store',
        s.voter === '' ? s.name : `${s.name} (voter)`,
        s.state,
        s.committedSequence,
        `durable ${count(s.durableSequence)}`,
        lossText(s.counters),
      ]),
    ...[...heard.components.values()]
      .sort((a, b) => a.component.localeCompare(b.component) || a.instance.localeCompare(b.instance))
      .map((c) => [
        'component',
        `${c.component}/${c.instance}`,
        c.state,
        c.nextSequence - 1,
        [c.reason, digestText(c.digest, c.digestSequence)].filter((part) => part !== '').join('; '),
        lossText(c.counters),
      ]),
  ]
  return table(['role', 'name', 'state', 'sequence', 'about', 'losses'], rows)
}

function aboutSequencer({ state, epoch, stableSequence, awaited = [], retired = [] }: SequencerHeartbeat): string {
  if (isCandidate(state)) return `epoch ${epoch}`
  const waits = awaited.length === 0 ? '' : `; waits for the seed of ${awaited.join(', ')}`
  const out = retired.length === 0 ? '' : `; retired: ${retired.join(', ')}`
  return `epoch ${epoch}, stable ${count(stableSequence)}${waits}${out}`
}

function digestText(digest: Uint8Array, sequence: number): string {
  if (digest.length === 0) return ''
  return `digest ${Buffer.from(digest).toString('hex').slice(0, SHORT_DIGEST)} at ${count(sequence)}`
}

function lossText(counters: Readonly<Record<string, number>>): string {
  const found = lossesOf(counters)
  return found.length === 0 ? dim('none') : found.map(([name, value]) => `${name} ${count(value)}`).join(', ')
}
