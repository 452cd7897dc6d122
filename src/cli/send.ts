/** `seqcast send`: puts the messages of a file, or of standard input, into the session. */
import { Command } from 'commander'
import { SeqcastError } from '../core/errors.js'
import { addStreamOptions, type Configuration, readConfiguration, roleOptions, TOOL_DEFAULTS } from './configuration.js'
import { LatencyHistogram } from './latency.js'
import { count, print } from './output.js'
import { startProgress } from './progress-bar.js'
import type { SendClient } from './send-client.js'
import type { SendInput } from './send-input.js'

export const sendCommand = addStreamOptions(new Command('send'))
  .description('send messages as commands, and wait until all of them are stable events')
  .option('--input <file>', 'BinaryFILE (with --type), else JSON Lines (default: standard input)')
  .option('--type <n>', 'type number of every message of a BinaryFILE')
  .option('--proto <file>', 'schema: encodes {"name": …, "payload": {…}}, checks the payloads of a BinaryFILE')
  .option('--rate <n>', 'messages a second (default: as fast as they are taken)')
  .option('--name <name>', 'name of the source (default: one that nobody else has)')
  .action(async (flags: Record<string, unknown>) => {
    const configuration = readConfiguration(flags, TOOL_DEFAULTS)
    const options = roleOptions(configuration, 'send')
    const [{ openSendInput }, { SendClient }] = await Promise.all([
      import('./send-input.js'),
      import('./send-client.js'),
    ])
    const schema = await loadSchema(configuration.proto)
    const input = await openSendInput({ path: configuration.input, type: configuration.type, schema })
    const latency = new LatencyHistogram()
    const client = await SendClient.open({
      ...options,
      name: configuration.name ?? `send-${Date.now().toString(36)}-${process.pid.toString(36)}`,
      schemaHash: schema?.hash ?? '',
      onReturned: (latencyUs) => latency.record(latencyUs),
    })
    try {
      await run(client, input, configuration, latency)
    } finally {
      client.close()
      // Reading may still be waiting for more.
      if (configuration.input === undefined) process.stdin.destroy()
    }
  })

async function loadSchema(path: string | undefined) {
  if (path === undefined) return undefined
  const { loadSchemaFile } = await import('../component/proto-file.js')
  return loadSchemaFile(path)
}

async function run(
  client: SendClient,
  input: SendInput,
  configuration: Configuration,
  latency: LatencyHistogram,
): Promise<void> {
  const startedMs = performance.now()
  const stopper = new Stopper()
  const bar = startProgress('sending', 'messages', input.messages ?? 0, configuration.json)
  const sent = { messages: 0 }
  let failure: unknown
  try {
    await pump(client, input, configuration.rate, stopper, sent, (messages) => bar.update(messages))
    if (stopper.signal !== undefined) failure = stopped(stopper.signal, sent.messages, input.messages)
  } catch (error) {
    failure = error
  }
  // What was read before the fault is sent all the same: it is settled, and said, before the fault is.
  if (failure === undefined || isInputFault(failure)) {
    await client.settled().catch((error: unknown) => {
      failure = error
    })
  }
  bar.stop()
  stopper.release()
  report(configuration, client, sent.messages, (performance.now() - startedMs) / 1000, latency)
  if (failure !== undefined) throw failure
}

/** Sends what is read until the input's end, a signal, or the end of the session: an input that is silent stops none of them. */
async function pump(
  client: SendClient,
  input: SendInput,
  rate: number | undefined,
  stopper: Stopper,
  sent: { messages: number },
  progress: (messages: number) => void,
): Promise<void> {
  const startedMs = performance.now()
  const batches = input.read()
  for (;;) {
    const next = await Promise.race([batches.next(), stopper.stopped, client.failed])
    if (next === undefined || next.done === true) return
    for (const { type, payload } of next.value) {
      if (rate !== undefined) await untilDue(startedMs + (sent.messages / rate) * 1000)
      while (client.isFull) await client.space()
      if (stopper.signal !== undefined) return
      client.send(type, payload)
      sent.messages += 1
    }
    progress(sent.messages)
  }
}

/** A signal ends the reading; what was read is still settled. A second one ends the process at once. */
class Stopper {
  signal: NodeJS.Signals | undefined
  readonly stopped: Promise<undefined>
  readonly #stop: (signal: NodeJS.Signals) => void

  constructor() {
    let resolve: (value: undefined) => void = () => {}
    this.stopped = new Promise<undefined>((done) => {
      resolve = done
    })
    this.#stop = (signal) => {
      this.signal = signal
      this.release()
      resolve(undefined)
    }
    process.once('SIGTERM', this.#stop)
    process.once('SIGINT', this.#stop)
  }

  release(): void {
    process.removeListener('SIGTERM', this.#stop)
    process.removeListener('SIGINT', this.#stop)
  }
}

/** Standard input has no known end: a signal is a way to end it. A file that was not sent whole is a failure. */
function stopped(signal: NodeJS.Signals, messages: number, total: number | undefined): SeqcastError | undefined {
  if (total === undefined || messages === total) return undefined
  return new SeqcastError('E_INPUT', `${signal} after ${messages} of ${total} messages`, {
    hint: 'those are stable events; send the rest of the file',
    fields: { messages, total },
  })
}

/** The input is at fault, not the session: what was appended still arrives. */
function isInputFault(error: unknown): boolean {
  return error instanceof SeqcastError && !['E_LOST', 'E_REFUSED', 'E_TIMEOUT', 'E_SEND'].includes(error.code)
}

/** Sleeps only where there is a millisecond to sleep: in between, messages go out in small groups. */
async function untilDue(dueMs: number): Promise<void> {
  const waitMs = dueMs - performance.now()
  if (waitMs >= 1) await new Promise((resolve) => setTimeout(resolve, waitMs))
}

function report(
  configuration: Configuration,
  client: SendClient,
  messages: number,
  seconds: number,
  latency: LatencyHistogram,
): void {
  const { events, firstSequence, lastSequence } = client
  const { session } = configuration
  const summary = latency.summary()
  print(
    configuration.json,
    { session, messages, events, firstSequence, lastSequence, stable: client.pending === 0, seconds, latency: summary },
    () =>
      messages === 0
        ? 'nothing to send'
        : `${count(messages)} messages became ${count(events)} events (${firstSequence} to ${lastSequence}) of session ` +
          `${session} in ${seconds.toFixed(2)} s\n` +
          `command to event: ${summary.p50} us (p50), ${summary.p99} us (p99), ${summary.max} us (max)`,
  )
}
