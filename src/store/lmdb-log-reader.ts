/**
 * Reading a session that another process may be recording: several processes map one environment. It is the fastest
 * rewind there is, and what the tools use.
 */
import { SeqcastError } from '../core/errors.js'
import type { EventLogReader, RunVisitor } from '../protocol/event-log.js'
import type { EpochTableEntry } from '../wire/control.js'
import { type Environment, openEnvironment } from './lmdb-environment.js'
import { epochsOf } from './log-epochs.js'
import { endOfRecords, RecordReader, type SessionTables } from './record-reader.js'
import { checkOwner, readAbout, recordedSessions, type SessionAbout, sessionPath } from './session-directory.js'
import type { BlockKind } from './time-index.js'

export interface LogStatistics {
  readonly packets: number
  /** Bytes of the pages in use. */
  readonly usedBytes: number
}

export class LmdbLogReader implements EventLogReader {
  readonly about: SessionAbout
  readonly #env: Environment
  readonly #reader: RecordReader

  /** @throws SeqcastError E_SESSION_UNKNOWN, E_SESSION_FOREIGN, E_STORE_IO */
  static async open(directory: string, session: string): Promise<LmdbLogReader> {
    checkOwner(directory, session)
    const path = sessionPath(directory, session)
    const about = readAbout(path)
    if (about === undefined) {
      // Ids tell capitals from small letters; people do not always.
      const likely = recordedSessions(directory).find((id) => id.toUpperCase() === session.toUpperCase())
      throw new SeqcastError('E_SESSION_UNKNOWN', `session '${session}' is not recorded in ${directory}`, {
        hint:
          likely === undefined ? `\`seqcast sessions --dir ${directory}\` lists what is` : `did you mean ${likely}?`,
        fields: { directory, session, ...(likely === undefined ? {} : { likely }) },
      })
    }
    const env = await openEnvironment(path, 'read')
    try {
      return new LmdbLogReader(about, env)
    } catch (error) {
      await env.close()
      throw error
    }
  }

  private constructor(about: SessionAbout, env: Environment) {
    this.about = about
    this.#env = env
    this.#reader = new RecordReader(about.session, about.kind, env, env.packets.firstKey() ?? 1, true)
    this.refresh()
  }

  get session(): string {
    return this.about.session
  }

  get firstSequence(): number {
    return this.#reader.firstSequence
  }

  get kind(): BlockKind {
    return this.about.kind
  }

  /** The rows themselves, for tools that must see damage instead of stopping at it. */
  get tables(): SessionTables {
    return this.#env
  }

  /** Everything to here could be read at the last `refresh`, or less, where the tail was taken back since. */
  get committedSequence(): number {
    return this.#reader.committedSequence
  }

  /** Looks for what was committed since. @returns the new committed sequence */
  refresh(): number {
    this.#env.refresh()
    this.#reader.firstSequence = this.#env.packets.firstKey() ?? this.#reader.firstSequence
    this.#reader.committedSequence =
      (endOfRecords(this.session, this.#env.packets, 'count') ?? this.#reader.firstSequence) - 1
    return this.#reader.committedSequence
  }

  /** Where each epoch of what can be read begins. @throws SeqcastError E_STORE_CORRUPT */
  epochTable(): readonly EpochTableEntry[] {
    return epochsOf(this.#reader).through(this.committedSequence)
  }

  read(from: number, maxPackets: number, visit: RunVisitor): number {
    return this.#reader.read(from, maxPackets, visit)
  }

  sequenceAtTime(timeUs: number): number {
    return this.#reader.sequenceAtTime(timeUs)
  }

  statistics(): LogStatistics {
    return { packets: this.#env.packets.count(), usedBytes: this.#env.usedBytes() }
  }

  async close(): Promise<void> {
    await this.#env.close()
  }
}
