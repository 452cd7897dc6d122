/** `seqcast send`: puts the messages of a file, or of standard input, into the session. */
import { Command } from 'commander'
import { SeqcastError } from '../core/errors.js'
import type { SendClient } from '../runtime/send-client.js'
import { type Configuration, readConfiguration, roleOptions, TOOL_DEFAULTS } from './configuration.js'
import { LatencyHistogram } from './latency.js'
import { count, durationText, plural, print } from './output.js'
import { startProgress } from './progress-bar.js'
import type { SendInput } from './send-input.js'
import { addFaultOptions, addStreamOptions } from './stream-options.js'

/** Silence for so long makes a person wonder. */
const SAY_WAITING_MS = 1_000
const WATCH_EVERY_MS = 100
/** What was read before a signal gets so long to become stable. */
const SETTLE_AFTER_SIGNAL_MS = 3_000

export const sendCommand = new Command('send')
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
      import('../runtime/send-client.js'),
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
addStreamOptions(sendCommand, 'warn')
addFaultOptions(sendCommand)

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
  const stopper = new Stopper((signal) => say(configuration, `${signal}: ${stateText(client)}; waiting for the rest`))
  const bar = startProgress('sending', 'messages', input.messages ?? 0, configuration.json)
  const stopWatching = watchStability(client, configuration)
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
    await client
      .settled(() => stopper.isOver)
      .catch((error: unknown) => {
        failure = error
      })
  }
  if (client.pending > 0) failure ??= unsettled(client, stopper.signal)
  stopWatching()
  bar.stop()
  stopper.release()
  report(configuration, client, sent.messages, (performance.now() - startedMs) / 1000, latency, failure !== undefined)
  if (failure !== undefined) throw failure
}

/** For a person who waits; a machine reads the result. */
function say({ json }: Configuration, text: string): void {
  if (!json) process.stderr.write(`${text}\n`)
}

/** What is in the stream and what is not yet. */
function stateText({ pending, unsequenced, events }: SendClient): string {
  const unstable = pending - unsequenced
  return [
    `${count(events - unstable)} stable`,
    `${count(unstable)} sequenced, not yet stable`,
    ...(unsequenced === 0 ? [] : [`${count(unsequenced)} not sequenced`]),
  ].join(', ')
}

/** Says once, until it goes on, that nothing becomes stable. @returns a call that ends it */
function watchStability(client: SendClient, configuration: Configuration): () => void {
  let stable = 0
  let sinceMs = performance.now()
  let isSaid = false
  const timer = setInterval(() => {
    const now = client.events - (client.pending - client.unsequenced)
    if (now !== stable || client.pending === 0) {
      stable = now
      sinceMs = performance.now()
      isSaid = false
    } else if (!isSaid && performance.now() - sinceMs >= SAY_WAITING_MS) {
      isSaid = true
      const { pending, unsequenced } = client
      const unstable = pending - unsequenced
      if (unstable > 0) say(configuration, `${count(unstable)} sequenced, not yet stable: waiting for the voters`)
      else say(configuration, `${count(unsequenced)} not sequenced: waiting for the sequencer`)
    }
  }, WATCH_EVERY_MS)
  return () => clearInterval(timer)
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
      while (client.isFull && stopper.signal === undefined) await Promise.race([client.space(), stopper.stopped])
      if (stopper.signal !== undefined) return
      client.send(type, payload)
      sent.messages += 1
    }
    progress(sent.messages)
  }
}

/**
 * A signal ends the reading, and what was read gets a few seconds to become stable. A second one ends that too. Either way
 * there is a last word.
 */
class Stopper {
  signal: NodeJS.Signals | undefined
  readonly stopped: Promise<undefined>
  readonly #stop: (signal: NodeJS.Signals) => void
  #overAtMs = Number.POSITIVE_INFINITY

  constructor(onSignal: (signal: NodeJS.Signals) => void) {
    let resolve: (value: undefined) => void = () => {}
    this.stopped = new Promise<undefined>((done) => {
      resolve = done
    })
    this.#stop = (signal) => {
      this.#overAtMs = this.signal === undefined ? performance.now() + SETTLE_AFTER_SIGNAL_MS : 0
      if (this.signal === undefined) onSignal(signal)
      this.signal ??= signal
      resolve(undefined)
    }
    process.on('SIGTERM', this.#stop)
    process.on('SIGINT', this.#stop)
  }

  /** There is no more time to wait. */
  get isOver(): boolean {
    return performance.now() > this.#overAtMs
  }

  release(): void {
    process.removeListener('SIGTERM', this.#stop)
    process.removeListener('SIGINT', this.#stop)
  }
}

/** Given up: a signal came, and it still was not stable. */
function unsettled(client: SendClient, signal: NodeJS.Signals | undefined): SeqcastError {
  return new SeqcastError('E_TIMEOUT', `${signal ?? 'ended'} before all of it was stable: ${stateText(client)}`, {
    hint: 'what is sequenced becomes stable when the voters are back (seqcast status); do not send it again',
    fields: { pending: client.pending, unsequenced: client.unsequenced },
  })
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
  hasFailed: boolean,
): void {
  const { session, sessions, events, firstSequence, lastSequence, pending } = client
  const summary = latency.summary()
  const { p50, p99, max } = summary
  const stable = pending === 0
  print(
    configuration.json,
    { session, sessions, messages, events, firstSequence, lastSequence, stable, seconds, latency: summary },
    () => {
      if (messages === 0) return hasFailed ? 'nothing was sent' : 'nothing to send'
      const became = `${plural(messages, 'message')} became ${plural(events, 'event')}${rangesText(client)}`
      const rest = stable ? '' : `; ${stateText(client)}`
      if (latency.count === 0) return `${became} in ${seconds.toFixed(2)} s${rest}`
      const figures = `${durationText(p50)} (p50), ${durationText(p99)} (p99), ${durationText(max)} (max)`
      return `${became} in ${seconds.toFixed(2)} s${rest}\ncommand to event: ${figures}`
    },
  )
}

/** ` (5 to 9) of session S1`, and `, (1 to 3) of session S2` for each session that it went on in. */
function rangesText({ session, sessions }: SendClient): string {
  if (sessions.length === 0) return ` of session ${session}`
  const texts = sessions.map(({ session, firstSequence, lastSequence }) => {
    const range = firstSequence === lastSequence ? `${lastSequence}` : `${firstSequence} to ${lastSequence}`
    return ` (${range}) of session ${session}`
  })
  return texts.join(',')
}
