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
  ['retain', async () => (await import('./retain.js')).retainCommand],
  ['export', async () => (await import('./export.js')).exportCommand],
  ['import', async () => (await import('./import.js')).importCommand],
  ['replay', async () => (await import('./replay.js')).replayCommand],
  ['inspect', async () => (await import('./inspect.js')).inspectCommand],
  ['project', async () => (await import('./project.js')).projectCommand],
  ['compare', async () => (await import('./compare.js')).compareCommand],
  ['status', async () => (await import('./status.js')).statusCommand],
  ['admin', async () => (await import('./admin.js')).adminCommand],
  ['bench', async () => (await import('./bench.js')).benchCommand],
])

/** At the end of each help: a call as it is typed, for the command and for those below it. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  demo: ['demo --orders 50000 --loss 0.05 --kill exchange-gateway --kill store-a@0.3'],
  sequencer: ['sequencer --voters s1'],
  store: ['store --dir data --voter s1', 'store --dir data-b --name b --request-port 0 --rewind-port 0'],
  run: [
    'run limit-watch.js',
    'run limit-watch.js --standby --option limit=1000',
    'run limit-watch.js --standby --checkpoints data --checkpoint-every 50000',
  ],
  generate: ['generate counter.proto --out generated/counter.ts'],
  send: [`send --proto counter.proto --input deposits.jsonl`, 'send --type 300 --input messages.bin --rate 1000'],
  tail: ['tail --proto counter.proto', 'tail --from 1 --type Deposited --source limit-watch --json'],
  record: ['record --group 239.1.1.1:26477 --dir feeds --request-server 10.0.0.7:26478'],
  sessions: ['sessions --dir data'],
  verify: ['verify --dir data'],
  retain: ['retain --dir data --older-than 30d --dry-run', 'retain --dir data --larger-than 100GB'],
  export: ['export --dir data --session SEQCAST --proto counter.proto --out session.jsonl'],
  import: [
    'import --dir copy --input session.jsonl --session COPY',
    'import --dir feeds --input 12302019.NASDAQ_ITCH50.gz --session 20191230',
  ],
  replay: [
    'replay --dir data --session SEQCAST --run limit-watch.js',
    'replay --dir data --session SEQCAST --run limit-watch.js --step',
  ],
  inspect: [
    'inspect --dir data --session SEQCAST --run limit-watch.js --at 09:30:00',
    'inspect --dir data --session SEQCAST --run limit-watch.js --diff 1000 2000',
    'inspect --dir data --session SEQCAST --run limit-watch.js --why account=7',
  ],
  project: [
    'project balances.js --to lmdb:tables',
    'project balances.js --to postgres://me@localhost/db --dir data --reset',
  ],
  compare: ['compare --dir data --session SEQCAST --run old/limit-watch.js --run limit-watch.js'],
  status: ['status', 'status --check --json'],
  admin: ['admin activate limit-watch --instance b', 'admin digest'],
  'admin activate': ['admin activate limit-watch --instance b'],
  'admin passivate': ['admin passivate limit-watch'],
  'admin digest': ['admin digest limit-watch'],
  'admin end-session': ['admin end-session'],
  bench: ['bench store', 'bench rewind --json', 'bench rtt --out figures'],
}

/** @returns the command of that name, or all of them where there is none: for help, and to suggest the right name */
export async function loadCommands(name: string | undefined): Promise<Command[]> {
  const load = COMMANDS.get(name ?? '')
  const commands = load === undefined ? await Promise.all([...COMMANDS.values()].map((each) => each())) : [await load()]
  for (const command of commands) addExamples(command, command.name())
  return commands
}

function addExamples(command: Command, path: string): void {
  const examples = EXAMPLES[path] ?? []
  if (examples.length > 0) {
    const title = examples.length === 1 ? 'Example:' : 'Examples:'
    command.addHelpText('after', `\n${title}\n${examples.map((example) => `  seqcast ${example}`).join('\n')}`)
  }
  for (const sub of command.commands) addExamples(sub, `${path} ${sub.name()}`)
}
