/** A recorded session of the desk: orders, expiries, long messages, a switch between two replicas, a few digests. */
import type { Component } from '../../src/component/definition.js'
import { TestSession } from '../../src/component/test-session.js'
import { Player } from '../../src/replay/player.js'
import { desk, deskSchema } from '../component/desk.js'

export function recordDesk(component: Component = desk, orders = 40): TestSession {
  const session = new TestSession({ datagramBytes: 300 })
  const replicas = [session.addReplica(component), session.addReplica(component)] as const
  session.settle()
  session.activate('desk', replicas[0])
  for (let id = 1; id <= orders; id++) {
    session.publish(256, deskSchema.encode('Order', { id, shares: id * 100 }))
    if (id % 10 === 0) session.publish(259, deskSchema.encode('Blob', { data: new Uint8Array(1_000).fill(id) }))
    if (id === orders / 2) session.activate('desk', replicas[1])
    session.advance(50_000)
    session.settle()
  }
  session.requestDigest('desk')
  session.settle()
  return session
}

export function lastOf(session: TestSession): number {
  return session.sequencer.nextSequence - 1
}

export type OnCommand = (component: string, type: number, payload: Uint8Array) => void

export function playerOf(session: TestSession, onCommand: OnCommand = () => {}, ...more: Component[]): Player {
  const components = [desk, ...more].map((component) => ({
    component,
    observer: {
      command: (_: number, type: number, payload: Uint8Array) => onCommand(component.name, type, payload),
    },
  }))
  return new Player({ session: 'TEST', log: session.log, components })
}
