/**
 * The client of the failover bench: a source outside of any component that issues orders at a steady rate, whatever happens to the
 * sequencer, for as long as its outbox takes them.
 */
import { silentLogger } from '../../../core/log.js'
import { parseGroup } from '../../../net/interfaces.js'
import { SendClient } from '../../../runtime/send-client.js'
import { childArgument, tellParent } from '../children.js'
import { quantilesUs } from '../histogram.js'
import { ORDER_TYPE, orderWriter } from './desk.js'
import { LoadLedger } from './load-ledger.js'
import { machineUs } from './machine-time.js'

export interface LoadArgument {
  readonly session: string
  readonly eventGroup: string
  readonly commandGroup: string
  readonly controlGroup: string
  readonly datagram: number
  /** The payload of an order. */
  readonly bytes: number
  /** Orders a second. */
  readonly rate: number
}

/** What the parent asks; each is answered with one message. */
export type LoadQuestion =
  | { readonly ask: 'outstanding'; readonly atUs: number }
  | { readonly ask: 'latency' }
  | { readonly ask: 'end' }

const STEP_MS = 1
const POLL_MS = 2

const argument = childArgument<LoadArgument>()
const ledger = new LoadLedger()
const order = orderWriter(argument.bytes)
let state: 'flowing' | 'ending' = 'flowing'
let startUs = 0
/** How long the outbox was full, so that the client had to wait. */
let heldBackUs = 0

const client = await SendClient.open({
  ...{ session: argument.session, interfaceAddress: '127.0.0.1', stores: [], idle: 'block', logger: silentLogger },
  eventGroup: parseGroup(argument.eventGroup),
  commandGroup: parseGroup(argument.commandGroup),
  controlGroup: parseGroup(argument.controlGroup),
  ...{ datagramBytes: argument.datagram, name: 'bench-client', schemaHash: '', onReturned: note },
})

function note(): void {
  ledger.progress(ledger.issued - client.unsequenced, ledger.issued - client.pending, machineUs())
}

function step(): void {
  note()
  const nowUs = machineUs()
  const due = Math.floor(((nowUs - startUs) * argument.rate) / 1_000_000)
  while (state === 'flowing' && ledger.issued < due) {
    if (client.isFull) {
      const lateUs = ((due - ledger.issued) * 1_000_000) / argument.rate
      startUs += lateUs
      heldBackUs += lateUs
      break
    }
    ledger.issue(nowUs)
    client.send(ORDER_TYPE, order(ledger.issued))
  }
  setTimeout(step, STEP_MS)
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
}

async function answer(question: LoadQuestion): Promise<object> {
  switch (question.ask) {
    case 'outstanding':
      await until(() => ledger.isSettled(question.atUs))
      return ledger.outstandingAt(question.atUs)
    case 'latency': {
      const { published, stable } = ledger
      ledger.restartHistograms()
      return { orders: published.totalCount, published: quantilesUs(published), stable: quantilesUs(stable) }
    }
    case 'end':
      state = 'ending'
      await until(() => client.pending === 0)
      note()
      return { issued: ledger.issued, lastSequence: client.lastSequence, heldBackMs: heldBackUs / 1_000 }
  }
}

process.on('message', (question: LoadQuestion) => {
  answer(question).then((message) => process.send?.(message))
})
client.failed.catch((error: Error) => {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})
startUs = machineUs()
step()
tellParent({})
