/**
 * Flags and configuration file become one validated set of options. Flags win over the file; both are checked, and what is
 * wrong is named by its field.
 */
import { readFileSync } from 'node:fs'
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
import { flag, logLevel, name, oneOf, port, probability, text, timeOfDay, voter, whole } from './fields.js'
import { createLogger } from './logger.js'
import { toolFields } from './tool-fields.js'

/** Ranks are a tenth of a second each. */
const MAX_RANK = 50
/** Who is active speaks every tenth of a second: less than two of these is no silence. */
const MIN_SUSPECT_MS = 200

/** Every field that a role may be configured with; the same names in the file, as flags in kebab case. */
const commonFields = z.strictObject({
  session: text.default(DEFAULT_SESSION),
  interface: text.default(DEFAULT_INTERFACE),
  eventGroup: text.default(`${DEFAULT_EVENT_GROUP.group}:${DEFAULT_EVENT_GROUP.port}`),
  commandGroup: text.default(`${DEFAULT_COMMAND_GROUP.group}:${DEFAULT_COMMAND_GROUP.port}`),
  controlGroup: text.default(`${DEFAULT_CONTROL_GROUP.group}:${DEFAULT_CONTROL_GROUP.port}`),
  stores: text.default(''),
  datagram: whole(MIN_DATAGRAM_BYTES, MAX_DATAGRAM_BYTES).default(DEFAULT_DATAGRAM_BYTES),
  idle: oneOf(['spin', 'block']).default('block'),
  keyFile: text.optional(),
  loss: probability.default(0),
  duplicate: probability.default(0),
  reorder: probability.default(0),
  faultSeed: whole(0).default(1),
  logLevel: logLevel.default('info'),
  json: flag.default(false),
  config: text.optional(),
})

/** Fields of single roles, optional everywhere, so that one file can configure a whole system. */
const roleFields = z.strictObject({
  name: name.optional(),
  voter: voter.optional(),
  voters: text.optional(),
  dir: text.optional(),
  memory: flag.optional(),
  requestPort: port.optional(),
  rewindPort: port.optional(),
  tickMs: whole(0, 60_000).optional(),
  standby: flag.optional(),
  rank: whole(0, MAX_RANK).optional(),
  suspectMs: whole(MIN_SUSPECT_MS, 60_000).optional(),
  manual: flag.optional(),
  etcd: text.optional(),
  etcdPrefix: text.optional(),
  static: text.optional(),
  seeders: text.optional(),
  rollEvents: whole(1).optional(),
  rollAt: timeOfDay.optional(),
  instance: name.optional(),
  guard: flag.optional(),
  localStore: text.optional(),
  checkpoints: text.optional(),
  checkpointEvery: whole(1).optional(),
  checkpointKeep: whole(1, 10_000).optional(),
  checkpointPort: port.optional(),
  checkpointsFrom: text.optional(),
  option: z.array(text).optional(),
})

const fields = commonFields.extend(roleFields.shape).extend(toolFields.shape)
export type Configuration = z.infer<typeof fields>

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
  throw wrongField(parsed.error.issues[0], flags, { ...file, ...flags })
}

/** Names the field as the user wrote it, what it is, and what it may be. */
function wrongField(
  issue: z.core.$ZodIssue | undefined,
  flags: Readonly<Record<string, unknown>>,
  given: Readonly<Record<string, unknown>>,
): SeqcastError {
  if (issue?.code === 'unrecognized_keys') {
    return new SeqcastError('E_CONFIG', `the configuration file has an unknown field: ${issue.keys.join(', ')}`, {
      hint: 'the names are those of the flags in camelCase; see seqcast COMMAND --help',
      fields: { field: issue.keys[0] },
    })
  }
  const field = String(issue?.path[0] ?? '')
  const where = field in flags ? flagOf(field) : `'${field}' of the configuration file`
  return new SeqcastError('E_CONFIG', `${where} is ${JSON.stringify(given[field])}, and must be ${issue?.message}`, {
    hint: 'see seqcast COMMAND --help',
    fields: { field },
  })
}

/** `eventGroup` is `--event-group`. */
export function flagOf(field: string): string {
  return `--${field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
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
