/**
 * The scanner: where scans come in, from a file. They are not deterministic, so each carries a key, its number in the file.
 * The state remembers the last key that was sequenced: a scanner that takes over resumes after it. `seed` carries it
 * over, so the first scan of a session follows the last one of the session before, and none comes twice.
 *
 * Options: `input`, the path of the file; `rate`, scans a second (absent: as fast as they are taken).
 */
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { type Component, defineComponent, type Port, SeqcastError } from 'seqcast'
import { type SmsMessages, schema } from './generated/sms.js'
import { readScans, type Scan } from './scans.js'

/** Between two slices the process gets its turn. */
const SLICE_SCANS = 64

export interface ScannerOptions {
  /** Path of the file. A scanner without one can be replayed and can't be activated. */
  readonly input?: string
  /** Scans a second. */
  readonly rate?: number
}

interface State {
  /** The key of the last scan that was sequenced, in this session or an earlier one. */
  lastKey: number
}

function sequenced(state: State, { payload }: { readonly payload: { readonly key: number } }): void {
  state.lastKey = Math.max(state.lastKey, payload.key)
}

export function createScanner({ input, rate = Number.POSITIVE_INFINITY }: ScannerOptions): Component {
  // Read once: at the beginning of a session there is no time to read it again.
  let scans: Promise<Scan[]> | undefined
  return defineComponent({
    name: 'scanner',
    schema,
    state: (): State => ({ lastKey: 0 }),
    seed({ lastKey }, seed) {
      if (lastKey > 0) seed.send('ScansCarried', { key: lastKey })
    },
    on: {
      ScansCarried: sequenced,
      ShipmentExpected: sequenced,
      ShipmentArrived: sequenced,
      ShipmentHandedOver: sequenced,
    },
    async input(port, state) {
      if (input === undefined) {
        throw new SeqcastError('E_INPUT', 'the scanner was activated without an input file', {
          hint: 'name it: --option input=FILE',
        })
      }
      scans ??= readScans(input)
      await sendScans(port, await scans, state.lastKey, rate)
    },
    digestEvery: 20_000,
  })
}

/** What `seqcast run` calls with its `--option NAME=VALUE`. @throws SeqcastError E_USAGE */
export function configure(options: Readonly<Record<string, string>>): Component {
  for (const name of Object.keys(options)) {
    if (name !== 'input' && name !== 'rate') {
      throw new SeqcastError('E_USAGE', `the scanner has no option '${name}'`, { hint: 'it has input and rate' })
    }
  }
  const { input, rate } = options
  return createScanner({
    ...(input === undefined ? {} : { input }),
    ...(rate === undefined ? {} : { rate: parseRate(rate) }),
  })
}

/** Without an input: for replay. */
export const component = createScanner({})

/** @param done the key of the last scan that needs not be sent */
async function sendScans(port: Port<SmsMessages>, scans: readonly Scan[], done: number, rate: number): Promise<void> {
  const startMs = performance.now()
  for (let key = done + 1; key <= scans.length; ) {
    // On average: a pause that was too long is made up for, a slice at a time, so that the process hears what comes meanwhile.
    const due = done + 1 + ((performance.now() - startMs) * rate) / 1_000
    for (const end = Math.min(due, key + SLICE_SCANS, scans.length + 1); key < end; key++) {
      await port.ready()
      if (port.signal.aborted) return
      const scan = scans[key - 1]
      if (scan !== undefined) sendScan(port, key, scan)
    }
    await (key < due ? turn() : sleep(1))
    if (port.signal.aborted) return
  }
}

function sendScan(port: Port<SmsMessages>, key: number, scan: Scan): void {
  const { shipment } = scan
  switch (scan.scan) {
    case 'expected':
      port.send('ShipmentExpected', { key, shipment, from: scan.from, to: scan.to })
      break
    case 'arrived':
      port.send('ShipmentArrived', { key, shipment, facility: scan.facility, damaged: scan.damaged })
      break
    case 'handed-over':
      port.send('ShipmentHandedOver', { key, shipment })
      break
  }
}

function parseRate(text: string): number {
  const rate = Number(text)
  if (Number.isFinite(rate) && rate > 0) return rate
  throw new SeqcastError('E_USAGE', `rate is '${text}'; it counts scans a second: a number above 0`)
}
