/**
 * The log of a program: on stderr, because stdout belongs to results. For a person a line of text, for a machine (`--json`)
 * pino's JSON.
 */
import { pino } from 'pino'
import type { LogFields, Logger } from '../core/log.js'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

const LABEL: Readonly<Record<number, string>> = { 20: 'debug', 30: 'info ', 40: 'warn ', 50: 'error' }

export function createLogger(options: { name: string; level: LogLevel; json: boolean }): Logger {
  const { name, level, json } = options
  const write = (line: string): void => void process.stderr.write(textOf(line))
  const destination = json ? pino.destination({ dest: 2, sync: true }) : { write }
  const logger = pino({ level, base: { name } }, destination)
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: LogFields, message: string): void =>
      logger[level](fields, message)
  const error = (fields: LogFields, message: string): void =>
    // An error with a code ends the program, which then prints it with its hint: a person need not read it twice.
    logger[!json && String(fields.code).startsWith('E_') ? 'debug' : 'error'](fields, message)
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error }
}

/** `12:00:00.123 info  name: message key=value …`, of a line of pino's JSON. */
export function textOf(line: string): string {
  const { level, time, name, msg, ...rest }: Record<string, unknown> = JSON.parse(line)
  const clock = new Date(Number(time)).toISOString().slice(11, 23)
  const { message, facts } = isStateChange(rest)
    ? stateChange(String(msg), rest)
    : { message: String(msg), facts: rest }
  const shown = Object.entries(facts).map(([key, value]) => ` ${key}=${valueText(value)}`)
  return `${clock} ${LABEL[Number(level)] ?? level} ${headline(String(name), message)}${shown.join('')}\n`
}

/** The name once, also where the message begins with it. */
function headline(name: string, message: string): string {
  return message.startsWith(`${name}: `) || message.startsWith(`${name} `) ? message : `${name}: ${message}`
}

interface StateChange extends LogFields {
  readonly from: string
  readonly to: string
  readonly reason: string
}

function isStateChange(fields: LogFields): fields is StateChange {
  return typeof fields.from === 'string' && typeof fields.to === 'string' && typeof fields.reason === 'string'
}

/** A state as a sentence: what it is now, and why. */
function stateChange(what: string, { from: _, to, reason, ...facts }: StateChange) {
  return { message: `${what.replace(/ state$/, '')} is ${to} (${reason})`, facts }
}

/** Quoted where it would not be clear where the value ends. */
function valueText(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)
}
