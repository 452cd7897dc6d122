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
  const destination = options.json ? pino.destination({ dest: 2, sync: true }) : { write: writeLine }
  const logger = pino({ level: options.level, base: { name: options.name } }, destination)
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: LogFields, message: string): void =>
      logger[level](fields, message)
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** `12:00:00.123 info  name: message key=value …` */
function writeLine(line: string): void {
  const { level, time, name, msg, ...rest }: Record<string, unknown> = JSON.parse(line)
  const clock = new Date(Number(time)).toISOString().slice(11, 23)
  const facts = Object.entries(rest).map(
    ([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  process.stderr.write(`${clock} ${LABEL[Number(level)] ?? level} ${name}: ${msg}${facts.join('')}\n`)
}
