/**
 * Every command of `seqcast`, in the order in which help lists them. Only the one that was asked for is loaded: a process
 * that sequences has no use for the modules of the demo, and loading is most of what a start takes.
 */
import type { Command } from 'commander'

const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ['demo', async () => (await import('./demo.js')).demoCommand],
  ['sequencer', async () => (await import('./sequencer.js')).sequencerCommand],
  ['store', async () => (await import('./store.js')).storeCommand],
  ['run', async () => (await import('./run.js')).runCommand],
  ['generate', async () => (await import('./generate.js')).generateCommand],
  ['send', async () => (await import('./send.js')).sendCommand],
  ['tail', async () => (await import('./tail.js')).tailCommand],
  ['record', async () => (await import('./record.js')).recordCommand],
  ['sessions', async () => (await import('./sessions.js')).sessionsCommand],
  ['verify', async () => (await import('./verify.js')).verifyCommand],
  ['export', async () => (await import('./export.js')).exportCommand],
  ['import', async () => (await import('./import.js')).importCommand],
  ['replay', async () => (await import('./replay.js')).replayCommand],
  ['status', async () => (await import('./status.js')).statusCommand],
  ['admin', async () => (await import('./admin.js')).adminCommand],
])

/** @returns the command of that name, or all of them where there is none: for help, and to suggest the right name */
export async function loadCommands(name: string | undefined): Promise<Command[]> {
  const load = COMMANDS.get(name ?? '')
  return load === undefined ? Promise.all([...COMMANDS.values()].map((each) => each())) : [await load()]
}
