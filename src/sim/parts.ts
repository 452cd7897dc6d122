/** What a simulated system works on: components in replicas, and sources of commands that are none. */
import type { Component } from '../component/definition.js'
import type { SendClient } from '../runtime/send-client.js'
import type { SimProcess } from './observer.js'

/** Time as the input or an effect of a component may use it: virtual, and over when its process is. */
export interface SimTime {
  /** Microseconds since the run began. */
  nowUs(): number
  /** Never resolves once the process is dead. */
  sleep(us: number): Promise<void>
}

export interface SimComponent {
  /** As in its definition. */
  readonly name: string
  readonly replicas: number
  /** As in its definition: all of its replicas are active. */
  readonly hotHot?: boolean
  /** Called for each start of a replica. */
  create(process: SimProcess, time: SimTime): Component
}

/** A source of commands that is no component. */
export interface SimClient {
  readonly name: string
  /** Called for each start of its process; resolves when it has sent all that it wants to send. */
  run(client: SendClient, process: SimProcess, time: SimTime): Promise<void>
}
