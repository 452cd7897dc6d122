/**
 * The control stream of a process: sends its messages, hands on those of others of the same session, drops and counts the
 * rest.
 */
import { type Counters, createCounters } from '../core/counters.js'
import type { SeqcastError } from '../core/errors.js'
import { Authenticator } from '../net/auth.js'
import type { PacketReceiver, PacketSender } from '../net/network.js'
import { bytesEqualAt } from '../wire/bytes.js'
import {
  type ControlBodies,
  type ControlKind,
  type ControlMessage,
  controlPrefix,
  decodeControl,
  encodeControl,
} from '../wire/control.js'
import type { DutyCycle } from './duty-cycle.js'
import { withFaults } from './faults.js'
import type { RoleOptions } from './options.js'

export type ControlListener = (message: ControlMessage, address: string, nowUs: number) => void

export type DroppedControl = 'unauthenticated' | 'malformed' | 'foreignSession'

export class ControlLink {
  readonly counters: Counters<'received' | 'unauthenticated' | 'malformed' | 'foreignSession' | 'own'> = createCounters(
    ['received', 'unauthenticated', 'malformed', 'foreignSession', 'own'],
  )
  readonly sender: number
  /** Told of each datagram that was dropped. */
  onDropped: (reason: DroppedControl) => void = () => {}
  /** Told of what others say of other sessions: it is dropped all the same. */
  onForeign: (message: ControlMessage) => void = () => {}
  #session: string
  #ownPrefix: Uint8Array
  readonly #auth: Authenticator
  readonly #listeners: ControlListener[] = []
  /** Of another session of the chain: that alone is listened to besides. */
  #other: { readonly session: string; readonly listener: ControlListener } | undefined
  #out: PacketSender | undefined
  #in: PacketReceiver | undefined

  private constructor(options: RoleOptions, incarnation: number) {
    this.sender = incarnation
    this.#session = options.session
    this.#ownPrefix = controlPrefix(options.session, incarnation)
    this.#auth = new Authenticator(options.key, 'control')
  }

  static async open(
    options: RoleOptions,
    incarnation: number,
    cycle: DutyCycle,
    onError: (error: SeqcastError) => void,
  ): Promise<ControlLink> {
    const link = new ControlLink(options, incarnation)
    const at = { ...options.controlGroup, interfaceAddress: options.interfaceAddress, onError }
    const { network } = cycle.platform
    link.#out = await network.openMulticastSender(at)
    let address = ''
    const receive = withFaults(options.faults, 'control', cycle, (packet, nowUs) =>
      link.#receive(packet, address, nowUs),
    )
    try {
      link.#in = await network.openMulticastReceiver(at, (packet, from) => {
        address = from
        receive(packet)
      })
    } catch (error) {
      link.close()
      throw error
    }
    return link
  }

  /** What was dropped here, and why, for the status of the process. */
  get dropped(): Record<`control.${DroppedControl}`, number> {
    const { unauthenticated, malformed, foreignSession } = this.counters
    return {
      'control.unauthenticated': unauthenticated,
      'control.malformed': malformed,
      'control.foreignSession': foreignSession,
    }
  }

  /** Listeners are called in the order in which they were added. @returns a call that ends it */
  listen(listener: ControlListener): () => void {
    this.#listeners.push(listener)
    return () => {
      const at = this.#listeners.indexOf(listener)
      if (at >= 0) this.#listeners.splice(at, 1)
    }
  }

  /** Hears what is said of one other session, too: until `follow`, or the next call. */
  listenBeside(session: string, listener: ControlListener): void {
    this.#other = { session, listener }
  }

  /** From now on it speaks and hears of another session; listeners stay. */
  follow(session: string): void {
    this.#session = session
    this.#ownPrefix = controlPrefix(session, this.sender)
    this.#other = undefined
  }

  send<K extends ControlKind>(kind: K, body: ControlBodies[K]): void {
    this.sendFor(this.#session, kind, body)
  }

  /** Speaks of another session, on behalf of one that this process has left. */
  sendFor<K extends ControlKind>(session: string, kind: K, body: ControlBodies[K]): void {
    // The pair is right by the signature; a union of pairs can't be built from type parameters.
    const message = { session, sender: this.sender, kind, body } as ControlMessage
    this.#out?.send(this.#auth.seal(encodeControl(message)))
  }

  close(): void {
    this.#out?.close()
    this.#in?.close()
  }

  #receive(datagram: Uint8Array, address: string, nowUs: number): void {
    this.counters.received += 1
    const body = this.#auth.open(datagram)
    if (body === undefined) {
      this.#drop('unauthenticated')
      return
    }
    if (bytesEqualAt(body, 0, this.#ownPrefix)) {
      this.counters.own += 1
      return
    }
    const message = decodeControl(body)
    if (message === undefined) this.#drop('malformed')
    else if (message.session === this.#other?.session) this.#other.listener(message, address, nowUs)
    else if (message.session !== this.#session) {
      this.#drop('foreignSession')
      this.onForeign(message)
    }
    // By its prefix it was none of ours: somebody spells our number in another way.
    else if (message.sender === this.sender) this.#drop('malformed')
    else for (const listener of [...this.#listeners]) listener(message, address, nowUs)
  }

  #drop(reason: DroppedControl): void {
    this.counters[reason] += 1
    this.onDropped(reason)
  }
}
