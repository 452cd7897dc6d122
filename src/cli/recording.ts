/** What the tools that look into a recording have in common: the session, the modules, where the replay begins. */
import type { Component } from '../component/definition.js'
import { SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import type { PlayedComponent } from '../replay/player.js'
import { LmdbLogReader } from '../store/lmdb-log-reader.js'
import { loadComponent } from './run.js'
import { giveScratchFiles } from './scratch-files.js'

/** @throws SeqcastError E_SESSION_UNKNOWN, E_SESSION_FOREIGN where it has no events of ours */
export async function openEvents(dir: string, session: string): Promise<LmdbLogReader> {
  const reader = await LmdbLogReader.open(dir, session)
  if (reader.kind === 'events') return reader
  await reader.close()
  throw new SeqcastError('E_SESSION_FOREIGN', `session ${session} is a foreign stream: its messages are no events`, {
    hint: 'replay it with --publish',
    fields: { session },
  })
}

/** The modules of `--run`, given once or more. @throws SeqcastError E_USAGE, E_MODULE */
export async function loadComponents(run: unknown, options: readonly string[]): Promise<Component[]> {
  const paths: readonly unknown[] = run === undefined ? [] : Array.isArray(run) ? run : [run]
  const components: Component[] = []
  for (const path of paths) {
    const component = await loadComponent(String(path), options)
    if (components.some(({ name }) => name === component.name)) {
      throw new SeqcastError('E_USAGE', `two of the modules are the component ${component.name}`, {
        hint: 'give each component once; `seqcast compare` plays two versions of one',
      })
    }
    components.push(component)
  }
  await giveScratchFiles(components)
  return components
}

export interface Beginning {
  readonly dir: string
  /** Directory of the checkpoints; default: that of the recording. */
  readonly checkpoints: string | undefined
  /** `--from-checkpoint`: true for the newest that can be used, or its sequence. Undefined: the first event. */
  readonly fromCheckpoint: string | true | undefined
  /** Nothing later is of use. */
  readonly atMost: number
}

/**
 * The components, each with the checkpoint at which it begins, if any.
 * @throws SeqcastError E_LOST where the recording lacks its beginning and no checkpoint makes up for it; E_CHECKPOINT, E_CONFIG
 */
export async function beginAt(
  log: LmdbLogReader,
  components: readonly Component[],
  beginning: Beginning,
  logger: Logger,
): Promise<PlayedComponent[]> {
  const played = await withCheckpoints(log, components, beginning, logger)
  const { firstSequence, session } = log
  const lacking = played.find(({ checkpoint }) => (checkpoint?.header.sequence ?? 0) + 1 < firstSequence)
  if (lacking === undefined) return played
  throw new SeqcastError(
    'E_LOST',
    `the recording of session ${session} begins at event ${firstSequence}: a component needs all of them`,
    { hint: 'replay the recording of a store that was there from the start', fields: { session, firstSequence } },
  )
}

async function withCheckpoints(
  log: LmdbLogReader,
  components: readonly Component[],
  { dir, checkpoints, fromCheckpoint, atMost }: Beginning,
  logger: Logger,
): Promise<PlayedComponent[]> {
  if (fromCheckpoint === undefined) return components.map((component) => ({ component }))
  const wanted = fromCheckpoint === true ? undefined : sequenceOf(fromCheckpoint)
  const { CheckpointStore } = await import('../store/checkpoint-store.js')
  const { newestUsable, usableAt } = await import('../replay/begin-at.js')
  const store = await CheckpointStore.open(checkpoints ?? dir, log.session, 'read')
  try {
    return components.map((component) => {
      if (wanted !== undefined) {
        checkThere(store.list(component.name), component.name, wanted)
        return { component, checkpoint: usableAt(store, log, component, wanted) }
      }
      const checkpoint = newestUsable(store, log, component, atMost, (error) =>
        logger.warn({ code: error.code, ...error.fields }, error.message),
      )
      const fields = { component: component.name, atMost, dir: checkpoints ?? dir }
      if (checkpoint === undefined)
        logger.warn(fields, `no checkpoint of ${component.name} can be used: from event 1 on`)
      return { component, checkpoint }
    })
  } finally {
    await store.close()
  }
}

/** @throws SeqcastError E_CHECKPOINT, naming those that are there */
function checkThere(headers: readonly { readonly sequence: number }[], component: string, wanted: number): void {
  const sequences = headers.map(({ sequence }) => sequence)
  if (sequences.includes(wanted)) return
  throw new SeqcastError('E_CHECKPOINT', `there is no checkpoint of ${component} after event ${wanted}`, {
    hint:
      sequences.length === 0
        ? 'there is none of it; --checkpoints names their directory'
        : `there are those after events ${sequences.join(', ')}`,
    fields: { component, sequence: wanted },
  })
}

function sequenceOf(text: string): number {
  if (/^[1-9][0-9]{0,15}$/.test(text)) return Number(text)
  throw new SeqcastError('E_CONFIG', `--from-checkpoint is ${JSON.stringify(text)}, and must be a sequence from 1 on`, {
    hint: 'or leave it out, for the newest checkpoint that can be used',
  })
}
