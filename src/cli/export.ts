/** `seqcast export`: a recorded session, or a part of it, as a file that other tools read. */
import { Command, Option } from 'commander'
import { SeqcastError } from '../core/errors.js'
import { parseHostPort } from '../net/interfaces.js'
import type { ArchiveResult, ArchiveSource, ByteSink, ExportOptions } from '../store/archive/archive-source.js'
import type { Endpoint } from '../store/archive/frames.js'
import { decoderOf, FORMATS, type Format, formatOf } from './archive-files.js'
import { type Configuration, readConfiguration } from './configuration.js'
import { count, print } from './output.js'
import { startProgress } from './progress-bar.js'
import { rangeOf } from './range.js'

export const exportCommand = new Command('export')
  .description('write a recorded session, or a part of it, to a file')
  .requiredOption('--dir <dir>', 'directory of the recorded sessions')
  .requiredOption('--session <id>', 'the session')
  .option('--out <file>', 'the file (default: standard output)')
  .addOption(new Option('--format <format>', 'default: by the name of the file').choices([...FORMATS]))
  .option('--from-seq <sequence>', 'first event (default: the first that is recorded)')
  .option('--to-seq <sequence>', 'last event (default: the last)')
  .option('--from-time <time>', 'first event at or after this time')
  .option('--to-time <time>', 'last event at or before this time')
  .option('--proto <file>', 'schema: decodes payloads in JSON Lines')
  .option('--group <group:port>', 'destination of the packets of a pcap (default: 239.255.77.1:7701)')
  .option('--json', 'say what was written as a JSON object')
  .action(async (flags: Record<string, unknown>) => {
    const configuration = readConfiguration(flags)
    const { dir = '', session, out, json } = configuration
    const format = formatOf(configuration.format, out)
    if (out === undefined && format !== 'jsonl' && process.stdout.isTTY === true) {
      throw new SeqcastError('E_USAGE', `${format} is not for a terminal`, { hint: 'give --out FILE' })
    }
    const { Catalogue } = await import('../store/catalogue.js')
    const { LmdbLogReader } = await import('../store/lmdb-log-reader.js')
    const { ended } = await new Catalogue(dir).describe(session)
    const reader = await LmdbLogReader.open(dir, session)
    try {
      const range = rangeOf(reader, configuration)
      const bar = startProgress(`exporting ${session}`, 'events', range.to - range.from + 1, json || out === undefined)
      const options = { ...range, ended, onProgress: ({ events }: { events: number }) => bar.update(events) }
      const result = await write(out, await exporter(format, configuration, reader, options)).finally(() => bar.stop())
      const said = { session, ...range, format, out, ...result }
      if (out !== undefined) {
        print(json, said, () => `${count(result.events)} events (${range.from} to ${range.to}) written to ${out}`)
      }
    } finally {
      await reader.close()
    }
  })

type Export = (sink: ByteSink) => Promise<ArchiveResult>

async function exporter(
  format: Format,
  configuration: Configuration,
  source: ArchiveSource,
  options: ExportOptions,
): Promise<Export> {
  if (format === 'binaryfile') {
    const { exportBinaryFile } = await import('../store/archive/binaryfile.js')
    return (sink) => exportBinaryFile(source, sink, options)
  }
  if (format === 'jsonl') {
    const { exportJsonLines } = await import('../store/archive/json-lines.js')
    const { loadSchemaFile } = await import('../component/proto-file.js')
    const schema = configuration.proto === undefined ? undefined : await loadSchemaFile(configuration.proto)
    return (sink) => exportJsonLines(source, sink, { ...options, decode: decoderOf(schema) })
  }
  const { exportPcap } = await import('../store/archive/pcap-export.js')
  const group: { group?: Endpoint } =
    configuration.group === undefined ? {} : { group: parseHostPort(configuration.group, 'E_GROUP') }
  return (sink) => exportPcap(source, sink, { ...options, ...group })
}

async function write(out: string | undefined, run: Export): Promise<ArchiveResult> {
  if (out !== undefined) {
    const { writeArchive } = await import('../store/archive/archive-source.js')
    return writeArchive(out, run)
  }
  return run((bytes) => new Promise((resolve) => process.stdout.write(bytes, () => resolve())))
}
