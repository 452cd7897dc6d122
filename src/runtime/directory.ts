/**
 * Who answers requests: the stores that were configured, or else those that the control stream told of, and the sequencer:
 * first for a store, because it alone has what is not yet stable; last for everybody else, when no store answers.
 */
import { isPort } from '../net/interfaces.js'
import { isSequencing } from '../protocol/sequencer-states.js'
import type { ControlMessage, StoreStatus } from '../wire/control.js'
import type { StoreAddress } from './options.js'

/** A store that was silent for this long is not asked again until it speaks. */
const FORGET_AFTER_US = 2_000_000
/** More names than any session has stores: of what strangers invent, no more is kept. */
const MAX_STORES = 64

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

  /** @param askSequencer true for a store: it asks the sequencer first */
  constructor(configured: readonly StoreAddress[], askSequencer: boolean) {
    this.#configured = configured
    this.#askSequencer = askSequencer
  }

  onControl(message: ControlMessage, address: string, nowUs: number): void {
    this.#nowUs = nowUs
    if (message.kind === 'store') {
      this.#learn(message.body, address, nowUs)
    } else if (message.kind === 'sequencer' && isPort(message.body.requestPort) && isSequencing(message.body.state)) {
      this.#sequencer = { address, port: message.body.requestPort }
    }
  }

  #learn({ name, requestPort, rewindPort, committedSequence }: StoreStatus, address: string, nowUs: number): void {
    const key = `${address}/${name}`
    this.#learnt.delete(key)
    // One that is starting or has stopped has no ports yet, or none any more.
    if (!isPort(requestPort) || !isPort(rewindPort)) return
    this.#learnt.set(key, { address, requestPort, rewindPort, committedSequence, heardUs: nowUs })
    if (this.#learnt.size <= MAX_STORES) return
    for (const longestSilent of this.#learnt.keys()) {
      this.#learnt.delete(longestSilent)
      return
    }
  }

  /** Request servers in the order of rotation. */
  requestServer(index: number): RequestServer | undefined {
    const servers: RequestServer[] = []
    for (const store of this.stores()) servers.push({ address: store.address, port: store.requestPort })
    if (this.#sequencer !== undefined && this.#askSequencer) servers.unshift(this.#sequencer)
    else if (this.#sequencer !== undefined) servers.push(this.#sequencer)
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
      .filter((store) => this.#nowUs - store.heardUs < FORGET_AFTER_US)
      .sort((a, b) => b.committedSequence - a.committedSequence)
  }
}
