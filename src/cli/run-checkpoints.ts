/** What `seqcast run` is told about checkpoints. */
import { SeqcastError } from '../core/errors.js'
import { resolveInterface } from '../net/interfaces.js'
import type { CheckpointSource } from '../runtime/checkpoint-fetch.js'
import type { CheckpointOptions } from '../runtime/component-checkpoints.js'
import type { Configuration } from './configuration.js'

export const CHECKPOINT_EVERY = 100_000
export const CHECKPOINT_KEEP = 5

/** Nothing where no checkpoints are asked for. @throws SeqcastError E_USAGE, E_CONFIG, E_INTERFACE */
export function checkpointOptions(configuration: Configuration): { readonly checkpoints?: CheckpointOptions } {
  const {
    checkpoints: directory,
    checkpointEvery,
    checkpointKeep,
    checkpointPort: port,
    checkpointsFrom,
  } = configuration
  if (directory === undefined && [checkpointEvery, checkpointKeep, port].some((given) => given !== undefined)) {
    throw new SeqcastError('E_USAGE', 'there are no checkpoints to write, to keep or to give', {
      hint: 'give --checkpoints DIR, too',
    })
  }
  if (directory === undefined && checkpointsFrom === undefined) return {}
  const address = resolveInterface(configuration.interface)
  return {
    checkpoints: {
      every: checkpointEvery ?? CHECKPOINT_EVERY,
      keep: checkpointKeep ?? CHECKPOINT_KEEP,
      ...(directory === undefined ? {} : { directory }),
      ...(port === undefined ? {} : { serve: { address, port } }),
      ...(checkpointsFrom === undefined ? {} : { from: parseSource(checkpointsFrom) }),
    },
  }
}

function parseSource(text: string): CheckpointSource {
  const match = /^([A-Za-z0-9.-]+):([0-9]{1,5})$/.exec(text.trim())
  const [address, port] = [match?.[1], Number(match?.[2])]
  if (address !== undefined && port > 0 && port <= 65_535) return { address, port }
  throw new SeqcastError('E_CONFIG', `--checkpoints-from is '${text}', and must be HOST:PORT`, {
    hint: 'the host of a replica that was started with --checkpoint-port, for example 127.0.0.1:7720',
  })
}
