/** `seqcast import`: a file becomes a recorded session, ours or a foreign stream's. */
import { Command, Option } from 'commander'
import { SeqcastError } from '../core/errors.js'
import { parseHostPort } from '../net/interfaces.js'
import type { ImportOptions } from '../store/archive/archive-target.js'
import { ImportPlace } from '../store/archive/import-place.js'
import type { PcapImportOptions, PcapImportResult } from '../store/archive/pcap-import.js'
import { LmdbEventLog } from '../store/lmdb-event-log.js'
import { encoderOf, FORMATS, type Format, formatOf } from './archive-files.js'
import { openInput } from './archive-input.js'
import { type Configuration, readConfiguration, TOOL_DEFAULTS } from './configuration.js'
import { type FileStart, peekFile } from './import-peek.js'
import { createLogger, LOG_LEVELS } from './logger.js'
import { count, plural, print } from './output.js'
import { startProgress } from './progress-bar.js'
import { timeOf } from './range.js'

export const importCommand = new Command('import')
  .description('make a recorded session from a file')
  .requiredOption('--dir <dir>', 'directory of the recorded sessions')
  .requiredOption('--input <file>', 'the file; one that gzip has compressed, too')
  .option('--session <id>', 'id of the session (default: that in the packets of a pcap, of which it chooses one)')
  .addOption(new Option('--format <format>', 'default: by the name of the file').choices([...FORMATS]))
  .addOption(
    new Option('--kind <kind>', 'what the messages are (default: by the first one)').choices(['events', 'opaque']),
  )
  .option('--first-seq <sequence>', 'sequence of the first event (default: that in the file; a BinaryFILE has none: 1)')
  .option('--received-at <time>', 'receive time of what has none: all of a BinaryFILE (default: now)')
  .option('--ended', 'the session of a foreign stream was over, where the file does not say so')
  .option('--proto <file>', 'schema: encodes JSON Lines that have `data` and no `payload`')
  .option('--group <group:port>', 'only packets of a pcap that went there')
  .addOption(new Option('--log-level <level>', 'on stderr (default: warn)').choices([...LOG_LEVELS]))
  .option('--json', 'say what was imported as a JSON object')
  .action(async (flags: Record<string, unknown>) => {
    const configuration = readConfiguration(flags, TOOL_DEFAULTS)
    const { dir = '', input = '', json } = configuration
    const format = formatOf(configuration.format, input)
    const named = typeof flags.session === 'string' ? flags.session : undefined
    const start = await peekFile(input, format, pcapOptions(configuration, named))
    const session = named ?? start.session
    if (session === undefined) {
      throw new SeqcastError('E_USAGE', `a ${format} file does not say which session it is`, {
        hint: 'give --session ID',
      })
    }
    const kind = configuration.kind ?? start.kind
    const firstSequence = configuration.firstSeq ?? start.firstSequence
    const result = await importInto(dir, { ...start, session, kind, firstSequence }, format, configuration)
    const { events } = result
    print(
      json,
      { ...result, session, kind, format, firstSequence, lastSequence: firstSequence + events - 1 },
      () =>
        `${plural(events, 'event')} (${firstSequence} to ${firstSequence + events - 1}) imported as session ${session}` +
        `${kind === 'opaque' ? ' of a foreign stream' : ''}${leftOut(result)}`,
    )
  })

interface Wanted extends FileStart {
  readonly session: string
}

type Imported = { readonly events: number; readonly ended: boolean } & Partial<PcapImportResult>

/** What came before the damage of a file is kept; where nothing did, and where the disk failed, nothing is. */
async function importInto(
  directory: string,
  wanted: Wanted,
  format: Format,
  configuration: Configuration,
): Promise<Imported> {
  const { session, firstSequence, kind } = wanted
  const logger = createLogger({ name: 'import', level: configuration.logLevel, json: configuration.json })
  const place = ImportPlace.open(directory, session)
  const log = await LmdbEventLog.open({ directory: place.directory, session, firstSequence, kind, logger })
  const failed = new AbortController()
  log.onFailure((error) => failed.abort(error))
  const close = async (isKept: boolean): Promise<void> => {
    await log.close()
    if (isKept && !failed.signal.aborted) place.keep()
    else place.discard()
    failed.signal.throwIfAborted()
  }
  try {
    const result = await importFile(log, format, configuration, wanted, failed.signal)
    const ended = result.ended || configuration.ended === true
    if (ended && kind === 'opaque') log.markEnded()
    await close(true)
    return { ...result, ended }
  } catch (error) {
    if (log.state !== 'closed') await close(log.nextSequence > log.firstSequence)
    throw error
  }
}

async function importFile(
  log: LmdbEventLog,
  format: Format,
  configuration: Configuration,
  { fileBytes, session }: Wanted,
  signal: AbortSignal,
): Promise<Imported> {
  const { input: path = '', json, proto, receivedAt } = configuration
  const receivedUs = receivedAt === undefined ? Date.now() * 1000 : timeOf(receivedAt, '--received-at')
  const bar = startProgress(`importing ${path}`, 'bytes', fileBytes, json)
  const input = openInput(path)
  const options: ImportOptions = {
    name: path,
    datagramBytes: configuration.datagram,
    onProgress: () => bar.update(input.readBytes()),
    signal,
  }
  try {
    if (format === 'binaryfile') {
      const { importBinaryFile } = await import('../store/archive/binaryfile.js')
      return await importBinaryFile(input.source, log, { ...options, receivedUs })
    }
    if (format === 'jsonl') {
      const { importJsonLines } = await import('../store/archive/json-lines.js')
      const { loadSchemaFile } = await import('../component/proto-file.js')
      const encode = proto === undefined ? {} : { encode: encoderOf(await loadSchemaFile(proto)) }
      return { ...(await importJsonLines(input.source, log, { ...options, ...encode, receivedUs })), ended: false }
    }
    const { importPcap } = await import('../store/archive/pcap-import.js')
    return await importPcap(input.source, log, { ...options, ...pcapOptions(configuration, session) })
  } finally {
    input.close()
    bar.stop()
  }
}

function pcapOptions({ group }: Configuration, session: string | undefined): PcapImportOptions {
  return {
    ...(group === undefined ? {} : { group: parseHostPort(group, 'E_GROUP') }),
    ...(session === undefined ? {} : { session }),
  }
}

/** What a capture had beside the events: nothing of it is passed over in silence. */
function leftOut({ skipped, otherSessions = [], revoked = 0 }: Partial<PcapImportResult>): string {
  const others = otherSessions.length === 0 ? '' : ` (${otherSessions.join(', ')})`
  const reasons = Object.entries(skipped ?? {})
    .filter(([, frames]) => frames > 0)
    .map(([reason, frames]) => `${count(frames)} ${reason}${reason === 'other-session' ? others : ''}`)
  const lines = reasons.length === 0 ? [] : [`left out, in packets: ${reasons.join(', ')}`]
  if (revoked > 0) lines.push(`${plural(revoked, 'event')} that a failover took back`)
  return lines.map((line) => `\n  ${line}`).join('')
}
