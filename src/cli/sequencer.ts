/** `seqcast sequencer`: puts the commands of all sources in one order. */
import { Command } from 'commander'
import { SeqcastError } from '../core/errors.js'
import { isName } from '../protocol/source-table.js'
import { DEFAULT_SEQUENCER_REQUEST_PORT, DEFAULT_SUSPECT_MS } from '../runtime/options.js'
import { type SequencerRoleOptions, startSequencer } from '../runtime/sequencer-role.js'
import { keepYoungGenerationSmall } from '../runtime/young-generation.js'
import { type Configuration, readConfiguration, roleOptions } from './configuration.js'
import { withPortHint } from './ports.js'
import { runRole } from './run-role.js'
import { addFaultOptions, addStreamOptions } from './stream-options.js'

export const sequencerCommand = new Command('sequencer')
  .description('put the commands of all sources in one order and multicast them as events')
  .option('--voters <ids>', 'stores whose majority makes events stable, as a,b,c (none: published is stable)')
  .option('--standby', 'wait behind the active sequencer, and take over when it is silent; needs --voters')
  .option('--rank <n>', 'of several standbys the least rank comes first, by 100 ms each (default: 0)')
  .option(
    '--suspect-ms <ms>',
    `take over after so long without a sign of the active one (default: ${DEFAULT_SUSPECT_MS})`,
  )
  .option('--manual', 'never take over unasked')
  .option('--etcd <urls>', 'let an etcd choose who claims which epoch, as http://HOST:PORT,...; needs --voters')
  .option('--etcd-prefix <text>', 'of the keys in the etcd (default: seqcast)')
  .option('--request-port <port>', `UDP port for retransmission (default: ${DEFAULT_SEQUENCER_REQUEST_PORT})`)
  .option('--static <file>', 'what each session begins with: one message a line, as for seqcast send')
  .option('--proto <file>', 'schema of the static events: encodes {"name": …, "payload": {…}}')
  .option('--seeders <names>', 'components whose seed each session waits for, besides those that were active before')
  .option('--roll-events <n>', 'go on in the next session when this one has so many events, its seeds not counted')
  .option('--roll-at <hh:mm>', 'go on in the next session at this time of day, in UTC')
  .option('--tick-ms <ms>', 'a Tick event after this long without an event; 0: none (default: 100)')
  .action(async (flags: Record<string, unknown>) => {
    keepYoungGenerationSmall()
    const configuration = readConfiguration(flags)
    const options = roleOptions(configuration, 'sequencer')
    const opening = await openingOptions(configuration)
    const role = {
      ...options,
      voters: namesOf(configuration.voters),
      standby: configuration.standby ?? false,
      manual: configuration.manual ?? false,
      rank: configuration.rank ?? 0,
      suspectUs: (configuration.suspectMs ?? DEFAULT_SUSPECT_MS) * 1000,
      requestPort: configuration.requestPort ?? DEFAULT_SEQUENCER_REQUEST_PORT,
      ...etcdOptions(configuration),
      ...opening,
      ...rollOptions(configuration),
      ...(configuration.tickMs === undefined ? {} : { tickUs: configuration.tickMs * 1000 }),
    }
    await runRole(() => withPortHint('--request-port', () => startSequencer(role)), options.logger)
  })

const namesOf = (list = ''): string[] => list.split(',').filter((name) => name !== '')

async function openingOptions({
  static: file,
  proto,
  seeders,
}: Configuration): Promise<Pick<SequencerRoleOptions, 'staticEvents' | 'seeders'>> {
  const { readStaticEvents } = await import('./static-events.js')
  return {
    ...(file === undefined ? {} : { staticEvents: await readStaticEvents(file, proto) }),
    ...(seeders === undefined ? {} : { seeders: checkedNames(seeders) }),
  }
}

function checkedNames(list: string): string[] {
  const names = namesOf(list)
  const wrong = names.find((name) => !isName(name))
  if (wrong === undefined) return names
  throw new SeqcastError('E_CONFIG', `--seeders names '${wrong}', which is longer than a component's name may be`, {
    hint: 'components with commas between them, for example --seeders orders,router',
    fields: { field: 'seeders' },
  })
}

function rollOptions({ rollEvents, rollAt }: Configuration): Pick<SequencerRoleOptions, 'roll'> {
  if (rollEvents === undefined && rollAt === undefined) return {}
  const [hour = 0, minute = 0] = (rollAt ?? '').split(':').map(Number)
  return {
    roll: {
      ...(rollEvents === undefined ? {} : { events: rollEvents }),
      ...(rollAt === undefined ? {} : { at: { hour, minute } }),
    },
  }
}

function etcdOptions({ etcd, etcdPrefix }: Configuration): Pick<SequencerRoleOptions, 'etcd'> {
  if (etcd === undefined) return {}
  const endpoints = etcd.split(',').map((endpoint) => readEndpoint(endpoint.trim()))
  return { etcd: { endpoints, ...(etcdPrefix === undefined ? {} : { prefix: etcdPrefix }) } }
}

function readEndpoint(endpoint: string): string {
  if (/^https?:\/\//.test(endpoint) && URL.canParse(endpoint)) return endpoint
  throw new SeqcastError('E_CONFIG', `--etcd names '${endpoint}', which is no address of an etcd`, {
    hint: 'for example --etcd http://127.0.0.1:2379, or several with commas between them',
    fields: { field: 'etcd' },
  })
}

addStreamOptions(sequencerCommand)
addFaultOptions(sequencerCommand)
