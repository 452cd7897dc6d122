/** `seqcast import`: a file becomes a recorded session, ours or a foreign stream's. */
import { createReadStream } from 'node:fs'
import { Command, Option } from 'commander'
import { SeqcastError } from '../core/errors.js'
import { parseHostPort } from '../net/interfaces.js'
import type { ImportOptions } from '../store/archive/archive-target.js'
import type { PcapImportOptions } from '../store/archive/pcap-import.js'
import { LmdbEventLog } from '../store/lmdb-event-log.js'
import { encoderOf, FORMATS, type Format, formatOf } from './archive-files.js'
import { type Configuration, readConfiguration, TOOL_DEFAULTS } from './configuration.js'
import { type FileStart, peekFile } from './import-peek.js'
import { createLogger, LOG_LEVELS } from './logger.js'
import { count, print } from './output.js'
import { startProgress } from './progress-bar.js'

export const importCommand = new Command('import')
  .description('make a recorded session from a file')
  .requiredOption('--dir <dir>', 'directory of the recorded sessions')
  .requiredOption('--input <file>', 'the file')
  .option('--session <id>', 'id of the session (default: that in the packets of a pcap)')
  .addOption(new Option('--format <format>', 'default: by the name of the file').choices([...FORMATS]))
  .addOption(
    new Option('--kind <kind>', 'what the messages are (default: by the first one)').choices(['events', 'opaque']),
  )
  .option('--proto <file>', 'schema: encodes JSON Lines that have `data` and no `payload`')
  .option('--group <group:port>', 'only packets of a pcap that went there')
  .addOption(new Option('--log-level <level>', 'on stderr (default: warn)').choices([...LOG_LEVELS]))
  .option('--json', 'say what was imported as a JSON object')
  .action(async (flags: Record<string, unknown>) => {
    const configuration = readConfiguration(flags, TOOL_DEFAULTS)
    const { dir = '', input = '', json, logLevel: level } = configuration
    const format = formatOf(configuration.format, input)
    const named = typeof flags.session === 'string' ? flags.session : undefined
    const start = await peekFile(input, format, pcapOptions(configuration, named))
    const session = named ?? start.session
    if (session === undefined) {
      throw new SeqcastError('E_USAGE', `a ${format} file does not say which session it is`, {
        hint: 'give --session ID',
      })
    }
    const logger = createLogger({ name: 'import', level, json })
    const kind = configuration.kind ?? start.kind
    const log = await LmdbEventLog.open({ directory: dir, session, firstSequence: start.firstSequence, kind, logger })
    try {
      refuseExisting(log, dir)
      const { events, ended } = await importFile(log, format, configuration, start)
      if (ended && log.kind === 'opaque') log.markEnded()
      const { firstSequence, nextSequence } = log
      print(
        json,
        { session, kind, format, events, firstSequence, lastSequence: nextSequence - 1, ended },
        () =>
          `${count(events)} events (${firstSequence} to ${nextSequence - 1}) imported as session ${session}` +
          `${kind === 'opaque' ? ' of a foreign stream' : ''}`,
      )
    } finally {
      await log.close()
    }
  })

function refuseExisting(log: LmdbEventLog, dir: string): void {
  const lastSequence = log.nextSequence - 1
  if (lastSequence < log.firstSequence) return
  throw new SeqcastError(
    'E_SESSION_EXISTS',
    `session ${log.session} is recorded in ${dir} already: it holds events ${log.firstSequence} to ${lastSequence}`,
    { hint: 'choose another --session or another --dir', fields: { session: log.session, dir } },
  )
}

function pcapOptions({ group }: Configuration, session: string | undefined): PcapImportOptions {
  return {
    ...(group === undefined ? {} : { group: parseHostPort(group, 'E_GROUP') }),
    ...(session === undefined ? {} : { session }),
  }
}

interface Imported {
  readonly events: number
  readonly ended: boolean
}

async function importFile(
  log: LmdbEventLog,
  format: Format,
  configuration: Configuration,
  start: FileStart,
): Promise<Imported> {
  const { input = '', json, proto } = configuration
  const bar = startProgress(`importing ${input}`, 'bytes', start.fileBytes, json)
  const options: ImportOptions = {
    name: input,
    datagramBytes: configuration.datagram,
    onProgress: ({ bytes }) => bar.update(bytes),
  }
  const source = createReadStream(input)
  try {
    if (format === 'binaryfile') {
      const { importBinaryFile } = await import('../store/archive/binaryfile.js')
      return await importBinaryFile(source, log, { ...options, receivedUs: Date.now() * 1000 })
    }
    if (format === 'jsonl') {
      const { importJsonLines } = await import('../store/archive/json-lines.js')
      const { loadSchemaFile } = await import('../component/proto-file.js')
      const encode = proto === undefined ? {} : { encode: encoderOf(await loadSchemaFile(proto)) }
      return { ...(await importJsonLines(source, log, { ...options, ...encode })), ended: false }
    }
    const { importPcap } = await import('../store/archive/pcap-import.js')
    return await importPcap(source, log, { ...options, ...pcapOptions(configuration, start.session) })
  } finally {
    source.destroy()
    bar.stop()
  }
}
