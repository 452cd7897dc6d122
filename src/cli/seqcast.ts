#!/usr/bin/env node
/**
 * The program `seqcast`: one command a file, put together here, and the one place where an error becomes an exit status.
 */
import { Command, CommanderError } from 'commander'
import { SeqcastError } from '../core/errors.js'
import { loadCommands } from './commands.js'

const program = new Command('seqcast')
  .description('Sequenced multicast messaging: one order for everybody, recorded, recoverable, replayable.')
  .version('0.1.0')
  .configureHelp({ sortSubcommands: false })
  .showHelpAfterError('(see --help)')
  .exitOverride()
for (const command of await loadCommands(process.argv[2])) program.addCommand(reporting(command))

/** Commander's own errors of a command, and of those below it, become exit statuses here too. */
function reporting(command: Command): Command {
  for (const sub of command.commands) reporting(sub)
  return command.exitOverride().showHelpAfterError('(see --help)')
}

/** Says what happened, to what, and what to do. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof SeqcastError) {
    process.stderr.write(`error ${error.code}: ${error.message}\n`)
    if (error.hint !== undefined) process.stderr.write(`  ${error.hint}\n`)
    if (error.code === 'E_HANDLER' && error.cause instanceof Error) process.stderr.write(`${error.cause.stack}\n`)
    return error.exitStatus
  }
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  return 1
}

// A reader that goes away (`seqcast tail | head`) ends the program quietly.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

try {
  await program.parseAsync(process.argv)
} catch (error) {
  process.exitCode = report(error)
}
// Sockets and pools of what failed half-way must not keep the process.
if (process.exitCode !== undefined && process.exitCode !== 0) setImmediate(() => process.exit())
