/**
 * What the layers need of a logger. pino fulfils it; tests use a recorder. Nothing logs on the hot path.
 */
export type LogFields = Readonly<Record<string, unknown>>

export interface Logger {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
}

const ignore = (): void => {}

/** Discards everything. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }

/** A logger whose lines say of which session they are. */
export function ofSession(logger: Logger, session: string): Logger {
  return {
    debug: (fields, message) => logger.debug({ session, ...fields }, message),
    info: (fields, message) => logger.info({ session, ...fields }, message),
    warn: (fields, message) => logger.warn({ session, ...fields }, message),
    error: (fields, message) => logger.error({ session, ...fields }, message),
  }
}
