/** What `seqcast run` is told about checkpoints. */
import type { ComponentRoleOptions } from '../runtime/component-role.js'
import type { Configuration } from './configuration.js'

export const CHECKPOINT_EVERY = 100_000
export const CHECKPOINT_KEEP = 5

/** Nothing where none of the flags is given. */
export function checkpointOptions(configuration: Configuration): Pick<ComponentRoleOptions, 'checkpoints'> {
  const { checkpoints: directory, checkpointEvery = CHECKPOINT_EVERY, checkpointKeep = CHECKPOINT_KEEP } = configuration
  if (directory === undefined) return {}
  return { checkpoints: { directory, every: checkpointEvery, keep: checkpointKeep } }
}
