/** `seqcast sequencer`: puts the commands of all sources in one order. */
import { Command } from 'commander'
import { DEFAULT_SEQUENCER_REQUEST_PORT, DEFAULT_SUSPECT_MS } from '../runtime/options.js'
import { startSequencer } from '../runtime/sequencer-role.js'
import { keepYoungGenerationSmall } from '../runtime/young-generation.js'
import { readConfiguration, roleOptions } from './configuration.js'
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
  .option('--request-port <port>', `UDP port for retransmission (default: ${DEFAULT_SEQUENCER_REQUEST_PORT})`)
  .option('--tick-ms <ms>', 'a Tick event after this long without an event; 0: none (default: 100)')
  .action(async (flags: Record<string, unknown>) => {
    keepYoungGenerationSmall()
    const configuration = readConfiguration(flags)
    const options = roleOptions(configuration, 'sequencer')
    const role = await withPortHint('--request-port', () =>
      startSequencer({
        ...options,
        voters: (configuration.voters ?? '').split(',').filter((voter) => voter !== ''),
        standby: configuration.standby ?? false,
        manual: configuration.manual ?? false,
        rank: configuration.rank ?? 0,
        suspectUs: (configuration.suspectMs ?? DEFAULT_SUSPECT_MS) * 1000,
        requestPort: configuration.requestPort ?? DEFAULT_SEQUENCER_REQUEST_PORT,
        ...(configuration.tickMs === undefined ? {} : { tickUs: configuration.tickMs * 1000 }),
      }),
    )
    await runRole(role, options.logger)
  })
addStreamOptions(sequencerCommand)
addFaultOptions(sequencerCommand)
