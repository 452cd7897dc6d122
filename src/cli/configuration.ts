/**
 * Flags and configuration file become one validated set of options. Flags win over the file; both are checked, and what is
 * wrong is named by its field.
 */
import { readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { z } from 'zod'
import { messageOf, SeqcastError } from '../core/errors.js'
import { DEFAULT_DATAGRAM_BYTES, MAX_DATAGRAM_BYTES, MIN_DATAGRAM_BYTES } from '../core/limits.js'
import { parseSession } from '../core/session.js'
import { readKeyFile } from '../net/auth.js'
import { parseGroup, resolveInterface } from '../net/interfaces.js'
import {
  DEFAULT_COMMAND_GROUP,
  DEFAULT_CONTROL_GROUP,
  DEFAULT_EVENT_GROUP,
  DEFAULT_INTERFACE,
  DEFAULT_SESSION,
  type RoleOptions,
  type StoreAddress,
} from '../runtime/options.js'
import { createLogger, LOG_LEVELS } from './logger.js'
import { toolFields } from './tool-fields.js'

const port = z.coerce.number().int().min(0).max(65_535)
const probability = z.coerce.number().min(0).max(1)

/** Every field that a role may be configured with; the same names in the file, as flags in kebab case. */
const commonFields = z.strictObject({
  session: z.string().default(DEFAULT_SESSION),
  interface: z.string().default(DEFAULT_INTERFACE),
  eventGroup: z.string().default(`${DEFAULT_EVENT_GROUP.group}:${DEFAULT_EVENT_GROUP.port}`),
  commandGroup: z.string().default(`${DEFAULT_COMMAND_GROUP.group}:${DEFAULT_COMMAND_GROUP.port}`),
  controlGroup: z.string().default(`${DEFAULT_CONTROL_GROUP.group}:${DEFAULT_CONTROL_GROUP.port}`),
  stores: z.string().default(''),
  datagram: z.coerce.number().int().min(MIN_DATAGRAM_BYTES).max(MAX_DATAGRAM_BYTES).default(DEFAULT_DATAGRAM_BYTES),
  idle: z.enum(['spin', 'block']).default('block'),
  keyFile: z.string().optional(),
  loss: probability.default(0),
  duplicate: probability.default(0),
  reorder: probability.default(0),
  faultSeed: z.coerce.number().int().min(0).default(1),
  logLevel: z.enum(LOG_LEVELS).default('info'),
  json: z.boolean().default(false),
  config: z.string().optional(),
})

/** Fields of single roles, optional everywhere, so that one file can configure a whole system. */
const roleFields = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/, 'letters, digits, dot, dash, 1 to 64')
    .optional(),
  voter: z
    .string()
    .regex(/^[A-Za-z0-9._-]{0,64}$/, 'letters, digits, dot, dash, at most 64')
    .optional(),
  voters: z.string().optional(),
  dir: z.string().optional(),
  memory: z.boolean().optional(),
  requestPort: port.optional(),
  rewindPort: port.optional(),
  tickMs: z.coerce.number().int().min(0).max(60_000).optional(),
  standby: z.boolean().optional(),
  instance: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/, 'letters, digits, dot, dash, 1 to 64')
    .optional(),
  guard: z.boolean().optional(),
  option: z.array(z.string()).optional(),
})

const fields = commonFields.extend(roleFields.shape).extend(toolFields.shape)
export type Configuration = z.infer<typeof fields>

/** Adds the options that every role and tool on the streams takes. Defaults are the schema's, shown in the help. */
export function addStreamOptions(command: Command): Command {
  const groups = [
    ['event', DEFAULT_EVENT_GROUP],
    ['command', DEFAULT_COMMAND_GROUP],
    ['control', DEFAULT_CONTROL_GROUP],
  ] as const
  command
    .option('--config <file>', 'JSON file with the same names in camelCase; flags win over it')
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
    .addOption(new Option('--idle <mode>', 'what the loop does when idle (default: block)').choices(['spin', 'block']))
    .option('--key-file <file>', 'authenticate every datagram with this key')
    .option('--loss <p>', 'fault filter: lose received datagrams with this probability')
    .option('--duplicate <p>', 'fault filter: duplicate them')
    .option('--reorder <p>', 'fault filter: hold them back')
    .option('--fault-seed <n>', 'fault filter: seed')
    .addOption(new Option('--log-level <level>', 'on stderr (default: info)').choices([...LOG_LEVELS]))
    .option('--json', 'one JSON object a line, for machines')
}

/** Of tools, which a person runs by hand: their result is what matters. */
export const TOOL_DEFAULTS = { logLevel: 'warn' } as const

/**
 * Merges file and flags and validates them.
 * @param defaults of this command, where they differ from the others'
 * @throws SeqcastError E_CONFIG, naming the field
 */
export function readConfiguration(
  flags: Readonly<Record<string, unknown>>,
  defaults: Readonly<Record<string, unknown>> = {},
): Configuration {
  const file = typeof flags.config === 'string' ? readConfigFile(flags.config) : {}
  const parsed = fields.safeParse({ ...defaults, ...file, ...flags })
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const field = issue?.path.join('.') ?? ''
  const what =
    issue?.code === 'unrecognized_keys' ? `unknown field ${issue.keys.join(', ')}` : `${field}: ${issue?.message}`
  throw new SeqcastError('E_CONFIG', `configuration: ${what}`, {
    hint: 'see seqcast help for the names and their ranges',
    fields: { field },
  })
}

function readConfigFile(path: string): object {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed
  } catch (error) {
    throw new SeqcastError('E_CONFIG', `cannot read the configuration file ${path}: ${messageOf(error)}`, {
      hint: 'it must be a JSON object',
      cause: error,
    })
  }
  throw new SeqcastError('E_CONFIG', `the configuration file ${path} is not a JSON object`, {
    hint: 'for example {"session": "S1", "datagram": 8972}',
  })
}

/** The options of a role. @throws SeqcastError E_CONFIG, E_GROUP, E_INTERFACE */
export function roleOptions(configuration: Configuration, name: string): RoleOptions {
  const { loss, duplicate, reorder, faultSeed, keyFile } = configuration
  const eventGroup = parseGroup(configuration.eventGroup)
  const commandGroup = parseGroup(configuration.commandGroup)
  const controlGroup = parseGroup(configuration.controlGroup)
  const all = [eventGroup, commandGroup, controlGroup].map((at) => `${at.group}:${at.port}`)
  if (new Set(all).size < all.length) {
    throw new SeqcastError('E_GROUP', `the streams must not share a group and port: ${all.join(', ')}`, {
      hint: 'give each of --event-group, --command-group and --control-group its own',
    })
  }
  return {
    session: parseSession(configuration.session),
    interfaceAddress: resolveInterface(configuration.interface),
    eventGroup,
    commandGroup,
    controlGroup,
    stores: parseStores(configuration.stores),
    datagramBytes: configuration.datagram,
    idle: configuration.idle,
    ...(keyFile === undefined ? {} : { key: readKeyFile(keyFile) }),
    ...(loss + duplicate + reorder === 0 ? {} : { faults: { loss, duplicate, reorder, seed: faultSeed } }),
    logger: createLogger({ name, level: configuration.logLevel, json: configuration.json }),
  }
}

function parseStores(text: string): StoreAddress[] {
  return text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const match = /^([0-9.]+):([0-9]{1,5}):([0-9]{1,5})$/.exec(part.trim())
      const [address, requestPort, rewindPort] = [match?.[1], Number(match?.[2]), Number(match?.[3])]
      if (address === undefined || requestPort > 65_535 || rewindPort > 65_535) {
        throw new SeqcastError('E_CONFIG', `stores: '${part}' is not ADDRESS:REQUESTPORT:REWINDPORT`, {
          hint: 'for example 127.0.0.1:7710:7711',
        })
      }
      return { address, requestPort, rewindPort }
    })
}
