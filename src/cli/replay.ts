/** `seqcast replay`: plays a recorded session again, to components or to the network. */
import { Command, Option } from 'commander'
import { SeqcastError } from '../core/errors.js'
import { parseSession } from '../core/session.js'
import { parseGroup, resolveInterface } from '../net/interfaces.js'
import { DEFAULT_INTERFACE } from '../runtime/options.js'
import type { LmdbLogReader } from '../store/lmdb-log-reader.js'
import { type Configuration, readConfiguration, TOOL_DEFAULTS } from './configuration.js'
import { createLogger, LOG_LEVELS } from './logger.js'
import { count, plural, print } from './output.js'
import { startProgress } from './progress-bar.js'
import { type Range, rangeOf } from './range.js'
import { Pacer } from './replay-pacer.js'

export const replayCommand = new Command('replay')
  .description('play a recorded session to components (--run), or onto the network (--publish)')
  .requiredOption('--dir <dir>', 'directory of the recorded sessions')
  .requiredOption('--session <id>', 'the session')
  .option('--from-seq <sequence>', 'first event (default: the first that is recorded)')
  .option('--to-seq <sequence>', 'last event (default: the last)')
  .option('--from-time <time>', 'first event at or after this time')
  .option('--to-time <time>', 'last event at or before this time')
  .option('--speed <x>', 'times as fast as it was, or max (default: max; with --publish 1)')
  .option(
    '--run <module...>',
    'play to this component, or to several at once; compare all that they do with the recording',
  )
  .option('--from-checkpoint [sequence]', 'begin at this checkpoint, or at the newest before the range, not at event 1')
  .option('--checkpoints <dir>', 'directory of the checkpoints (default: that of the recording)')
  .option(
    '--step',
    'go event by event, and show what each changes: Enter is the next one, h lists what else can be said',
  )
  .option('--break <expression...>', 'stop where it is true: "payload.orderId === 42 && state.open.size > 3"')
  .option('--break-on <event...>', 'stop after each event of this name')
  .option('--watch <path...>', 'stop where this part of the state has changed, as orders[42].shares')
  .option('--path <path>', 'at a stop of --break, show this part of the state')
  .option('--option <name=value...>', 'passed to `configure` of the modules')
  .option('--no-guard', 'do not watch handlers for clocks, randomness and promises')
  .option('--publish', 'multicast the recorded packets again, as MoldUDP64')
  .option('--event-group <group:port>', 'with --publish: where to')
  .option('--as <id>', 'with --publish: the session id in the packets; it must be another one')
  .option('--interface <name>', `with --publish: interface or address (default: ${DEFAULT_INTERFACE})`)
  .addOption(new Option('--log-level <level>', 'on stderr (default: warn)').choices([...LOG_LEVELS]))
  .option('--json', 'one JSON object a component, or a stop, for machines')
  .action(async (flags: Record<string, unknown>) => {
    const { run, step, break: expressions, breakOn, watch, fromCheckpoint, ...others } = flags
    const configuration = readConfiguration(others, TOOL_DEFAULTS)
    const { dir = '', session, publish = false } = configuration
    if ((run === undefined) !== publish) {
      throw new SeqcastError('E_USAGE', 'say what to play the session to', {
        hint: 'give --run MODULE, or --publish --event-group GROUP:PORT --as SESSION',
      })
    }
    const stops = { step: step === true, expressions: texts(expressions), types: texts(breakOn), paths: texts(watch) }
    if (publish) await publishRecording(checkPublish(flags, configuration), dir, session, configuration)
    else {
      const { runRecording } = await import('./replay-run.js')
      await runRecording({ run, fromCheckpoint, stops }, configuration)
    }
  })

function texts(values: unknown): readonly string[] {
  return Array.isArray(values) ? values.map(String) : []
}

interface PublishTarget {
  readonly group: { readonly group: string; readonly port: number }
  readonly interfaceAddress: string
  readonly as: string
}

/** @throws SeqcastError E_USAGE, E_CONFIG, E_GROUP, E_INTERFACE */
function checkPublish(flags: Readonly<Record<string, unknown>>, configuration: Configuration): PublishTarget {
  const { as, session } = configuration
  if (as === undefined || flags.eventGroup === undefined) {
    throw new SeqcastError('E_USAGE', '--publish needs --event-group and --as', {
      hint: 'packets of a replay must not be taken for those of the session itself',
    })
  }
  if (parseSession(as) === session) {
    throw new SeqcastError('E_CONFIG', `as: '${as}' is the recorded session itself`, { hint: 'choose another id' })
  }
  const interfaceAddress = resolveInterface(configuration.interface)
  return { group: parseGroup(configuration.eventGroup), interfaceAddress, as }
}

async function publishRecording(
  target: PublishTarget,
  dir: string,
  session: string,
  configuration: Configuration,
): Promise<void> {
  const { LmdbLogReader } = await import('../store/lmdb-log-reader.js')
  const reader = await LmdbLogReader.open(dir, session)
  try {
    await publishRange(target, reader, rangeOf(reader, configuration), configuration)
  } finally {
    await reader.close()
  }
}

async function publishRange(
  target: PublishTarget,
  reader: LmdbLogReader,
  range: Range,
  configuration: Configuration,
): Promise<void> {
  const { json, session, speed = 1, logLevel: level, datagram } = configuration
  const { publishPackets } = await import('./replay-publish.js')
  const bar = startProgress(`publishing ${session} as ${target.as}`, 'events', range.to - range.from + 1, json)
  const pacer = speed === 'max' ? undefined : new Pacer(speed)
  const result = await publishPackets(reader, range, {
    ...target,
    datagramBytes: datagram,
    pacer,
    logger: createLogger({ name: 'replay', level, json }),
    onProgress: (events) => bar.update(events),
  }).finally(() => bar.stop())
  const { group, port } = target.group
  print(
    json,
    { session, as: target.as, ...range, ...result },
    () =>
      `${plural(result.events, 'event')}${result.events === 0 ? '' : ` (${range.from} to ${range.to})`} of session ${session} published ` +
      `as ${target.as} on ${group}:${port} in ${count(result.packets)} packets`,
  )
}
