/**
 * The client proxy: where orders come in. Its input is a file of the exchange's messages; each becomes at most one command,
 * in the order of the file.
 *
 * Why the result equals that of a sequential program: commands of one source become events in the order in which they were
 * issued, and each of the components behind the proxy (order manager, router, gateway) handles events in stream order and
 * issues commands of its own in that order. So the gateway's engine gets the requests in the order of the file, however they
 * were delayed, lost and resent in between. `InputEnded` goes the same way and comes last everywhere.
 *
 * Commands from outside are not deterministic, therefore each carries a key, the number of its message. The state remembers
 * the last key that was sequenced; a proxy that takes over resumes after it. Should a key come twice all the same (a
 * predecessor's command may be sequenced while its successor starts), the order manager drops the repeat.
 *
 * The proxy stays at most a window of messages ahead of what the gateway (or a rejection) has answered. So an order does not
 * wait long in queues, and nothing piles up while one of the components behind is being replaced by its standby.
 *
 * Options: `input`, the path of the file; `rate`, messages a second (absent: as fast as they are taken).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Component, defineComponent, type Port, SeqcastError } from 'seqcast'
import { type OmsMessages, schema } from './generated/oms.js'
import { readItchFile, scanItchFile } from './itch-file.js'
import { type CommandSink, ItchRequests } from './itch-requests.js'

/** So far may the input be ahead of the answers, in messages of the file. */
const WINDOW_MESSAGES = 256

export interface ClientProxyOptions {
  /** Path of the BinaryFILE. A proxy without one can be replayed and can't be activated. */
  readonly input?: string
  /** Messages a second; absent: as fast as the sequencer takes them. */
  readonly rate?: number
}

interface State {
  /** How many instruments were sequenced. */
  instruments: number
  /** The number of the last message whose command was sequenced. */
  lastKey: number
  /** The number of the last message that got an answer. Answers come in the order of the messages. */
  answeredKey: number
}

function sequenced(state: State, { payload }: { readonly payload: { readonly key: number } }): void {
  state.lastKey = Math.max(state.lastKey, payload.key)
}

function answered(state: State, { payload }: { readonly payload: { readonly key: number } }): void {
  state.answeredKey = Math.max(state.answeredKey, payload.key)
}

/** Makes the proxy of an input. */
export function createClientProxy(options: ClientProxyOptions): Component {
  return defineComponent({
    name: 'client-proxy',
    schema,
    state: (): State => ({ instruments: 0, lastKey: 0, answeredKey: 0 }),
    on: {
      InstrumentAdded(state, { payload }) {
        state.instruments = Math.max(state.instruments, payload.index)
      },
      OrderPending: sequenced,
      CancelRequested: sequenced,
      ReduceRequested: sequenced,
      ReplaceRequested: sequenced,
      InputEnded: sequenced,
      OrderRejected: answered,
      RequestRejected: answered,
      OrderOpened: answered,
      OrderExecuted: answered,
      OrderCancelled: answered,
      OrderReduced: answered,
      OrderReplaced: answered,
    },
    input: (port, state) => sendFile(port, state, options),
    digestEvery: 50_000,
  })
}

/** What `seqcast run` calls with its `--option NAME=VALUE`. @throws SeqcastError E_USAGE */
export function configure(options: Readonly<Record<string, string>>): Component {
  for (const name of Object.keys(options)) {
    if (name !== 'input' && name !== 'rate') {
      throw new SeqcastError('E_USAGE', `the client proxy has no option '${name}'`, { hint: 'it has input and rate' })
    }
  }
  const { input, rate } = options
  return createClientProxy({
    ...(input === undefined ? {} : { input }),
    ...(rate === undefined ? {} : { rate: parseRate(rate) }),
  })
}

/** Without an input: for replay. */
export const component = createClientProxy({})

/** Sends what was not yet sequenced when the proxy was activated, and leaves where it is told to end. */
async function sendFile(port: Port<OmsMessages>, state: State, { input, rate }: ClientProxyOptions): Promise<void> {
  if (input === undefined) {
    throw new SeqcastError('E_INPUT', 'the client proxy was activated without an input file', {
      hint: 'name it: --option input=FILE',
    })
  }
  const done = { ...state } // The state goes on with the stream.
  const { symbols } = await scanItchFile(input)
  for (const [i, symbol] of symbols.entries()) {
    if (i < done.instruments) continue
    await port.ready()
    if (port.signal.aborted) return
    port.send('InstrumentAdded', { index: i + 1, symbol })
  }
  const requests = new ItchRequests()
  const gate = new Gate(port, state, rate)
  for await (const batch of readItchFile(input)) {
    for (const { index, message } of batch) {
      if (index > done.lastKey && !(await gate.opens())) return
      requests.next(message, index > done.lastKey ? gate : undefined)
    }
  }
  const ended = requests.ended(symbols.length)
  if (ended.key > done.lastKey && (await gate.opens())) port.send('InputEnded', ended)
}

/** Lets one message at a time through to the port: at the rate, within the window, and when there is room. */
class Gate implements CommandSink {
  readonly #port: Port<OmsMessages>
  readonly #state: State
  readonly #perMs: number
  readonly #startMs = performance.now()
  #count = 0
  #sentKey: number

  constructor(port: Port<OmsMessages>, state: State, perSecond: number | undefined) {
    this.#port = port
    this.#state = state
    this.#perMs = (perSecond ?? Number.POSITIVE_INFINITY) / 1000
    this.#sentKey = state.lastKey
  }

  /** Resolves when the next message may go; false where the component is not active any more. */
  async opens(): Promise<boolean> {
    const { signal } = this.#port
    while (!signal.aborted && (this.#isAheadOfAnswers() || this.#isAheadOfRate())) await sleep(1)
    await this.#port.ready()
    this.#count += 1
    return !signal.aborted
  }

  send<N extends keyof OmsMessages>(name: N, payload: OmsMessages[N]): void {
    this.#port.send(name, payload)
    if ('key' in payload) this.#sentKey = payload.key
  }

  #isAheadOfAnswers(): boolean {
    return this.#sentKey - this.#state.answeredKey >= WINDOW_MESSAGES
  }

  /** On average: a pause that was too long is made up for. */
  #isAheadOfRate(): boolean {
    return this.#count > (performance.now() - this.#startMs + 1) * this.#perMs
  }
}

function parseRate(text: string): number {
  const rate = Number(text)
  if (Number.isFinite(rate) && rate > 0) return rate
  throw new SeqcastError('E_USAGE', `rate is '${text}'; it counts messages a second: a number above 0`)
}
