/** `seqcast replay`: plays a recorded session again, to a component or to the network. */
import { Command, Option } from 'commander'
import { SeqcastError } from '../core/errors.js'
import { parseSession } from '../core/session.js'
import { parseGroup, resolveInterface } from '../net/interfaces.js'
import { DEFAULT_INTERFACE } from '../runtime/options.js'
import type { LmdbLogReader } from '../store/lmdb-log-reader.js'
import { type Configuration, readConfiguration, TOOL_DEFAULTS } from './configuration.js'
import { createLogger, LOG_LEVELS } from './logger.js'
import { count, print } from './output.js'
import { startProgress } from './progress-bar.js'
import { type Range, rangeOf } from './range.js'
import { Pacer } from './replay-pacer.js'

export const replayCommand = new Command('replay')
  .description('play a recorded session to a component (--run), or onto the network (--publish)')
  .requiredOption('--dir <dir>', 'directory of the recorded sessions')
  .requiredOption('--session <id>', 'the session')
  .option('--from-seq <sequence>', 'first event (default: the first that is recorded)')
  .option('--to-seq <sequence>', 'last event (default: the last)')
  .option('--from-time <time>', 'first event at or after this time')
  .option('--to-time <time>', 'last event at or before this time')
  .option('--speed <x>', 'times as fast as it was, or max (default: max; with --publish 1)')
  .option('--run <module>', 'play to this component, compare all that it does with the recording, and print its digest')
  .option('--option <name=value...>', 'passed to the module’s `configure`')
  .option('--no-guard', 'do not watch handlers for clocks, randomness and promises')
  .option('--publish', 'multicast the recorded packets again, as MoldUDP64')
  .option('--event-group <group:port>', 'with --publish: where to')
  .option('--as <id>', 'with --publish: the session id in the packets; it must be another one')
  .option('--interface <name>', `with --publish: interface or address (default: ${DEFAULT_INTERFACE})`)
  .addOption(new Option('--log-level <level>', 'on stderr (default: warn)').choices([...LOG_LEVELS]))
  .option('--json', 'one JSON object, for machines')
  .action(async (flags: Record<string, unknown>) => {
    const configuration = readConfiguration(flags, TOOL_DEFAULTS)
    const { dir = '', session, run, publish = false } = configuration
    if ((run === undefined) !== publish) {
      throw new SeqcastError('E_USAGE', 'say what to play the session to', {
        hint: 'give --run MODULE, or --publish --event-group GROUP:PORT --as SESSION',
      })
    }
    const { LmdbLogReader } = await import('../store/lmdb-log-reader.js')
    const play = run === undefined ? checkPublish(flags, configuration) : undefined
    const reader = await LmdbLogReader.open(dir, session)
    try {
      const range = rangeOf(reader, configuration)
      if (play !== undefined) await publishRange(play, reader, range, configuration)
      else if (run !== undefined) await runComponent(run, reader, range, configuration)
    } finally {
      await reader.close()
    }
  })

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

async function runComponent(
  module: string,
  reader: LmdbLogReader,
  range: Range,
  configuration: Configuration,
): Promise<void> {
  const { json, session, speed = 'max', option = [], guard = true, logLevel: level } = configuration
  if (reader.kind !== 'events') {
    throw new SeqcastError('E_SESSION_FOREIGN', `session ${session} is a foreign stream: its messages are no events`, {
      hint: 'replay it with --publish',
      fields: { session },
    })
  }
  if (reader.firstSequence > 1) throw noBeginning(session, reader.firstSequence)
  const [{ loadComponent }, { replayComponent }] = await Promise.all([
    import('./run.js'),
    import('../replay/replay.js'),
  ])
  const component = await loadComponent(module, option)
  const pacer = speed === 'max' ? undefined : new Pacer(speed)
  const bar = startProgress(`replaying ${session}`, 'events', range.to, json)
  const startedMs = performance.now()
  const report = await replayComponent({
    ...{ session, component, log: reader, guard },
    fromSequence: range.from,
    toSequence: range.to,
    logger: createLogger({ name: 'replay', level, json }),
    progress: (sequence) => bar.update(sequence),
    ...(pacer === undefined ? {} : { pace: (timeUs: number) => pacer.until(timeUs) }),
  }).finally(() => bar.stop())
  const seconds = (performance.now() - startedMs) / 1000
  const { sequence, timeUs, digest, commandsVerified, digestsVerified, commandsLeft, ended, counters } = report
  const said = { session, component: component.name, ended, sequence, timeUs, digest }
  print(json, { ...said, commandsVerified, digestsVerified, commandsLeft, seconds, counters }, () =>
    report.failure === undefined
      ? `${component.name}: ${count(sequence)} events of session ${session} replayed in ${seconds.toFixed(2)} s\n` +
        (commandsVerified === 0
          ? `nothing was compared: the session has no command of ${component.name}\n`
          : `${count(commandsVerified)} commands and ${count(digestsVerified)} digests as recorded\n`) +
        `digest after event ${sequence}: ${digest}`
      : `${component.name}: stopped after event ${sequence} of session ${session}`,
  )
  if (report.failure !== undefined) throw report.failure
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
      `${count(result.events)} events (${range.from} to ${range.to}) of session ${session} published ` +
      `as ${target.as} on ${group}:${port} in ${count(result.packets)} packets`,
  )
}

function noBeginning(session: string, firstSequence: number): SeqcastError {
  return new SeqcastError(
    'E_LOST',
    `the recording of session ${session} begins at event ${firstSequence}: a component needs all of them`,
    { hint: 'replay the recording of a store that was there from the start', fields: { session, firstSequence } },
  )
}
