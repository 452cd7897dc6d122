/**
 * Every command of `seqcast`, in the order in which help lists them.
 */
import type { Command } from 'commander'
import { adminCommand } from './admin.js'
import { demoCommand } from './demo.js'
import { exportCommand } from './export.js'
import { generateCommand } from './generate.js'
import { importCommand } from './import.js'
import { recordCommand } from './record.js'
import { replayCommand } from './replay.js'
import { runCommand } from './run.js'
import { sendCommand } from './send.js'
import { sequencerCommand } from './sequencer.js'
import { sessionsCommand } from './sessions.js'
import { statusCommand } from './status.js'
import { storeCommand } from './store.js'
import { tailCommand } from './tail.js'
import { verifyCommand } from './verify.js'

export const COMMANDS: readonly Command[] = [
  demoCommand,
  sequencerCommand,
  storeCommand,
  runCommand,
  generateCommand,
  sendCommand,
  tailCommand,
  recordCommand,
  sessionsCommand,
  verifyCommand,
  exportCommand,
  importCommand,
  replayCommand,
  statusCommand,
  adminCommand,
]
