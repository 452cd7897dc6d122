/**
 * Every command of `seqcast`, in the order in which help lists them.
 */
import type { Command } from 'commander'
import { adminCommand } from './admin.js'
import { demoCommand } from './demo.js'
import { runCommand } from './run.js'
import { sequencerCommand } from './sequencer.js'
import { statusCommand } from './status.js'
import { storeCommand } from './store.js'

export const COMMANDS: readonly Command[] = [
  demoCommand,
  sequencerCommand,
  storeCommand,
  runCommand,
  statusCommand,
  adminCommand,
]
