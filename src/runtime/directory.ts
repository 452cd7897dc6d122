/**
 * Who answers requests: the stores that were configured, or else those that the control stream told of, and for a store
 * also the sequencer, which alone has what is not yet stable.
 */
import type { ControlMessage } from '../wire/control.js'
import type { StoreAddress } from './options.js'

/** A store that was silent for this long is not asked again until it speaks. */
const FORGET_AFTER_US = 2_000_000

interface Known extends StoreAddress {
  readonly committedSequence: number
  readonly heardUs: number
}

interface RequestServer {
  readonly address: string
  readonly port: number
}

export class Directory {
  readonly #configured: readonly StoreAddress[]
  readonly #askSequencer: boolean
  readonly #learnt = new Map<string, Known>()
  #sequencer: RequestServer | undefined
  #nowUs = 0

  /** @param askSequencer true for a store; components leave the sequencer alone unless there is no store */
  constructor(configured: readonly StoreAddress[], askSequencer: boolean) {
    this.#configured = configured
    this.#askSequencer = askSequencer
  }

  onControl(message: ControlMessage, address: string, nowUs: number): void {
    this.#nowUs = nowUs
    if (message.kind === 'store') {
      const { name, requestPort, rewindPort, committedSequence } = message.body
      this.#learnt.set(`${address}/${name}`, { address, requestPort, rewindPort, committedSequence, heardUs: nowUs })
    } else if (message.kind === 'sequencer') {
      this.#sequencer = { address, port: message.body.requestPort }
    }
  }

  /** Request servers in the order of rotation. */
  requestServer(index: number): RequestServer | undefined {
    const servers: RequestServer[] = []
    if (this.#askSequencer && this.#sequencer !== undefined) servers.push(this.#sequencer)
    for (const store of this.stores()) servers.push({ address: store.address, port: store.requestPort })
    if (servers.length === 0 && this.#sequencer !== undefined) servers.push(this.#sequencer)
    return servers[index % Math.max(1, servers.length)]
  }

  /** Rewind servers in the order of rotation. */
  rewindServer(index: number): RequestServer | undefined {
    const stores = this.stores()
    const store = stores[index % Math.max(1, stores.length)]
    return store === undefined ? undefined : { address: store.address, port: store.rewindPort }
  }

  /** The stores to ask: configured ones as they are, learnt ones with the longest record first. */
  stores(): readonly StoreAddress[] {
    if (this.#configured.length > 0) return this.#configured
    return [...this.#learnt.values()]
      .filter((store) => this.#nowUs - store.heardUs < FORGET_AFTER_US && store.rewindPort > 0)
      .sort((a, b) => b.committedSequence - a.committedSequence)
  }
}
