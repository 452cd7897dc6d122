/**
 * The flags that all commands on the streams have in common. A command's own options are added first and head its help;
 * these follow under headings of their own.
 */
import { type Command, Option } from 'commander'
import { DEFAULT_DATAGRAM_BYTES } from '../core/limits.js'
import {
  DEFAULT_COMMAND_GROUP,
  DEFAULT_CONTROL_GROUP,
  DEFAULT_EVENT_GROUP,
  DEFAULT_INTERFACE,
  DEFAULT_SESSION,
} from '../runtime/options.js'
import { LOG_LEVELS } from './logger.js'

/** Adds what every role and tool on the streams takes. The schema has the defaults; the help shows them. */
export function addStreamOptions(command: Command, defaultLogLevel = 'info'): Command {
  const groups = [
    ['event', DEFAULT_EVENT_GROUP],
    ['command', DEFAULT_COMMAND_GROUP],
    ['control', DEFAULT_CONTROL_GROUP],
  ] as const
  command
    .optionsGroup('Streams:')
    .option('--session <id>', `session, 1 to 10 letters and digits (default: ${DEFAULT_SESSION})`)
    .option('--interface <name>', `interface or address that carries the streams (default: ${DEFAULT_INTERFACE})`)
  for (const [name, at] of groups) {
    command.option(`--${name}-group <group:port>`, `${name} stream (default: ${at.group}:${at.port})`)
  }
  return command
    .option(
      '--stores <list>',
      'stores to ask, as ADDRESS:REQUESTPORT:REWINDPORT,… (default: learnt from the control stream)',
    )
    .option('--datagram <bytes>', `largest UDP payload (default: ${DEFAULT_DATAGRAM_BYTES})`)
    .option('--key-file <file>', 'authenticate every datagram with this key')
    .addOption(new Option('--idle <mode>', 'what the loop does when idle (default: block)').choices(['spin', 'block']))
    .optionsGroup('General:')
    .option('--config <file>', 'JSON file with the same names in camelCase; flags win over it')
    .addOption(new Option('--log-level <level>', `on stderr (default: ${defaultLogLevel})`).choices([...LOG_LEVELS]))
    .option('--json', 'one JSON object a line, for machines')
    .helpOption('-h, --help', 'display help for command')
}

/** Faults played on what a process receives: of roles, and of tools that recover as roles do. */
export function addFaultOptions(command: Command): Command {
  return command
    .optionsGroup('Faults:')
    .option('--loss <p>', 'lose received datagrams with this probability')
    .option('--duplicate <p>', 'duplicate them')
    .option('--reorder <p>', 'hold them back')
    .option('--fault-seed <n>', 'the same seed plays the same faults (default: 1)')
}
