/** `seqcast record`: records any MoldUDP64 stream. */
import { Command, Option } from 'commander'
import { nonZero } from '../core/counters.js'
import { SeqcastError } from '../core/errors.js'
import { parseGroup, parseHostPort, resolveInterface } from '../net/interfaces.js'
import { DEFAULT_INTERFACE } from '../runtime/options.js'
import { readConfiguration } from './configuration.js'
import { createLogger, LOG_LEVELS } from './logger.js'
import { count, print } from './output.js'
import type { RecordSummary } from './record-stream.js'
import { runRole } from './run-role.js'

export const recordCommand = new Command('record')
  .description('record a MoldUDP64 stream, ours or another’s, until its end, SIGTERM, or --seconds')
  .requiredOption('--group <group:port>', 'the stream')
  .requiredOption('--dir <dir>', 'directory of the recorded sessions')
  .option('--session <id>', 'the session to record (default: that of the first packet)')
  .option('--request-server <address:port>', 'asks there for what is missing')
  .option('--from <sequence>', 'where to begin (default: 1 with a request server, else the first packet)')
  .addOption(
    new Option('--kind <kind>', 'what the messages are (default: by the first one)').choices(['opaque', 'events']),
  )
  .option('--seconds <n>', 'end after so long')
  .option('--interface <name>', `interface or address that carries the stream (default: ${DEFAULT_INTERFACE})`)
  .addOption(new Option('--idle <mode>', 'what the loop does when idle (default: block)').choices(['spin', 'block']))
  .option('--config <file>', 'JSON file with the same names in camelCase; flags win over it')
  .addOption(new Option('--log-level <level>', 'on stderr (default: info)').choices([...LOG_LEVELS]))
  .option('--json', 'one JSON object a line, for machines')
  .action(async (flags: Record<string, unknown>) => {
    const configuration = readConfiguration(flags)
    const { group, dir, requestServer, seconds, from, kind, json, logLevel: level, idle } = configuration
    if (group === undefined || dir === undefined) return
    const logger = createLogger({ name: 'record', level, json })
    const options = {
      group: parseGroup(group),
      directory: dir,
      session: typeof flags.session === 'string' ? checkSession(flags.session) : undefined,
      requestServer: requestServer === undefined ? undefined : parseHostPort(requestServer),
      interfaceAddress: resolveInterface(configuration.interface),
      ...{ from, kind, idle, logger },
    }
    const { StreamRecorder } = await import('./record-stream.js')
    const recorder = new StreamRecorder(options)
    const timer = seconds === undefined ? undefined : setTimeout(() => void recorder.stop(), seconds * 1000)
    let failure: unknown
    await runRole(() => recorder.open().then(() => recorder), logger).catch((error: unknown) => {
      failure = error
    })
    clearTimeout(timer)
    const summary = await recorder.close()
    if (summary !== undefined) report(summary, dir, json)
    if (failure !== undefined) throw failure
    if (summary === undefined) throw nothingHeard(group, recorder.session)
    if (summary.missing !== undefined) throw incomplete(summary, summary.missing)
  })

/** Foreign sessions may hold any character that can be printed. */
function checkSession(session: string): string {
  if (/^[ -~]{0,9}[!-~]$/.test(session)) return session
  throw new SeqcastError('E_CONFIG', `session '${session}' is not 1 to 10 printable ASCII characters`, {
    hint: 'leave --session out to record that of the first packet',
  })
}

function report(summary: RecordSummary, directory: string, json: boolean): void {
  const { session, firstSequence, lastSequence, events, ended } = summary
  print(json, { ...summary, counters: nonZero(summary.counters) }, () =>
    events === 0
      ? `no event of session ${session} was recorded`
      : `${count(events)} events of session ${session} recorded in ${directory}: it holds ${firstSequence} to ${lastSequence}` +
        `${ended ? ', to its end' : ''}`,
  )
}

function nothingHeard(group: string, session: string | undefined): SeqcastError {
  const heard = session === undefined ? `nothing was heard on ${group}` : `session ${session} on ${group} had no events`
  return new SeqcastError('E_SESSION_UNKNOWN', `${heard}: nothing is recorded`, {
    hint: 'check --group, --interface and --session; recording begins with the first event',
  })
}

function incomplete({ session }: RecordSummary, { from, to }: { from: number; to: number }): SeqcastError {
  return new SeqcastError('E_LOST', `the recording of session ${session} stopped with a gap: events ${from} to ${to}`, {
    hint: 'run it again with --request-server while the stream goes on: it continues where it stopped',
    fields: { session, from, to },
  })
}
