/**
 * TCP between the machines of a simulated world: bytes in order, cut into pieces and joined as the network pleases, at most a
 * window of them on the way. A cut stalls a connection, and breaks it after a while; a killed process resets its own.
 */
import type { AcceptTcp, TcpConnection, TcpHandlers, TcpServer } from '../net/network.js'
import type { Machine } from './machine.js'
import type { NetworkModel } from './network-model.js'
import type { Scheduler, SimProcess } from './sim-process.js'
import { TcpEnd, type TcpWires } from './tcp-end.js'
import type { Trace } from './trace.js'
import { inUse } from './virtual-network.js'

const CONNECT_RETRY_US = 1_000_000
const CONNECT_TRIES = 3
const CLOSE_GRACE_MS = 1_000

interface Listening {
  readonly process: SimProcess
  readonly accept: AcceptTcp
  readonly ends: Set<TcpEnd>
}

type Where = { readonly address: string; readonly port: number }

export class TcpModel implements TcpWires {
  readonly scheduler: Scheduler
  readonly model: NetworkModel
  readonly trace: Trace
  readonly #listening = new Map<string, Listening>()
  readonly #machineAt: (address: string) => Machine | undefined

  constructor(
    scheduler: Scheduler,
    model: NetworkModel,
    trace: Trace,
    machineAt: (address: string) => Machine | undefined,
  ) {
    this.scheduler = scheduler
    this.model = model
    this.trace = trace
    this.#machineAt = machineAt
  }

  isCut(a: Machine, b: Machine): boolean {
    return a !== b && (this.model.isCut(a, b) || this.model.isCut(b, a))
  }

  delayUs(from: Machine, to: Machine): number {
    return this.model.delayUs(from, to, this.model.link(from, to))
  }

  /** @throws SeqcastError E_PORT_IN_USE */
  listen(process: SimProcess, at: Where, accept: AcceptTcp): TcpServer {
    const key = `${at.address}:${at.port}`
    if (this.#listening.has(key)) throw inUse('TCP', at.address, at.port)
    const listening: Listening = { process, accept, ends: new Set() }
    this.#listening.set(key, listening)
    const release = (): void => {
      if (this.#listening.get(key) === listening) this.#listening.delete(key)
    }
    process.onEnd.push(release)
    return {
      port: at.port,
      close: (graceMs = CLOSE_GRACE_MS) => {
        release()
        return this.#closeAll(listening, graceMs)
      },
    }
  }

  connect(process: SimProcess, to: Where, handlers: TcpHandlers & { connected(): void }): TcpConnection {
    const end = new TcpEnd(this, process, `${to.address}:${to.port}`, handlers)
    this.#attempt(end, to, handlers, 1)
    return end
  }

  #attempt(end: TcpEnd, to: Where, handlers: TcpHandlers & { connected(): void }, tries: number): void {
    if (end.state !== 'connecting') return
    const { scheduler } = this
    const from = end.process.machine
    const target = this.#machineAt(to.address)
    if (target === undefined || this.isCut(from, target)) {
      scheduler.schedule(CONNECT_RETRY_US, 'stream', end.process, () => {
        if (tries >= CONNECT_TRIES) end.over(`connect ETIMEDOUT ${to.address}:${to.port}`)
        else this.#attempt(end, to, handlers, tries + 1)
      })
      return
    }
    scheduler.schedule(this.delayUs(from, target), 'world', undefined, () => {
      const listening = this.#listening.get(`${to.address}:${to.port}`)
      const backUs = this.delayUs(target, from)
      if (listening === undefined) {
        const refused = `connect ECONNREFUSED ${to.address}:${to.port}`
        scheduler.schedule(backUs, 'stream', end.process, () => end.over(refused))
        return
      }
      if (end.state !== 'connecting' || !end.process.isAlive) return
      this.#accept(end, listening)
      scheduler.schedule(backUs, 'stream', end.process, () => {
        if (end.state !== 'connecting') return
        end.state = 'open'
        handlers.connected()
        end.pump()
      })
    })
  }

  /** The kernel takes the connection; the program hears of it when it runs. */
  #accept(client: TcpEnd, listening: Listening): void {
    const { process, accept, ends } = listening
    const end = new TcpEnd(this, process, `${client.process.machine.address}:0`, undefined)
    end.state = 'open'
    end.peer = client
    client.peer = end
    ends.add(end)
    end.onOver = () => ends.delete(end)
    this.scheduler.schedule(0, 'stream', process, () => {
      if (end.state === 'closed') return
      const handlers = accept(end)
      if (handlers === undefined) end.destroy()
      else end.handlers = handlers
    })
  }

  #closeAll(listening: Listening, graceMs: number): Promise<void> {
    const { ends, process } = listening
    if (ends.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      for (const end of [...ends]) {
        end.onOver = () => {
          ends.delete(end)
          if (ends.size === 0) resolve()
        }
        end.close()
      }
      this.scheduler.schedule(graceMs * 1000, 'stream', process, () => {
        for (const end of [...ends]) end.destroy()
      })
    })
  }
}
