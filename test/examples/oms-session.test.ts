/**
 * The components on the real host, sequencer and outboxes, each with a standby, in one process: deterministic under guard,
 * equal digests, and nothing lost or doubled when an active replica goes away in the middle.
 */
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import tap, { test } from 'tap'
import type { TestReplica } from '../../src/component/test-replica.js'
import { TestSession } from '../../src/component/test-session.js'
import { createClientProxy } from '../../src/examples/oms/client-proxy.js'
import { component as exchangeGateway } from '../../src/examples/oms/exchange-gateway.js'
import { schema } from '../../src/examples/oms/generated/oms.js'
import { generateItchFile } from '../../src/examples/oms/itch-generator.js'
import { OmsAudit } from '../../src/examples/oms/oms-report.js'
import { component as orderManager } from '../../src/examples/oms/order-manager.js'
import { component as orderRouter } from '../../src/examples/oms/order-router.js'
import { readU16 } from '../../src/wire/bytes.js'
import { EVENT_HEADER_BYTES, eventTimeUs, eventType } from '../../src/wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../../src/wire/moldudp64.js'
import { temporaryFolder, writeInput } from './data.js'
import { expectedReport } from './oms-reference.js'

const folder = temporaryFolder()
tap.teardown(() => rmSync(folder, { recursive: true }))

interface Pair {
  readonly active: TestReplica
  readonly standby: TestReplica
}

class System {
  readonly session = new TestSession()
  readonly pairs = new Map<string, Pair>()
  #audit = new OmsAudit()
  #next = 1

  constructor(input: string) {
    for (const component of [createClientProxy({ input }), orderManager, orderRouter, exchangeGateway]) {
      const active = this.session.addReplica(component, { instance: 'a' })
      const standby = this.session.addReplica(component, { instance: 'b' })
      this.pairs.set(component.name, { active, standby })
    }
    this.session.settle()
    for (const [name, { active }] of this.pairs) this.session.activate(name, active)
  }

  /** Goes on until the book is closed or, if asked, until so many messages came in. */
  async run(untilKey = Number.POSITIVE_INFINITY): Promise<OmsAudit> {
    const { session } = this
    while (!this.#audit.isDone && this.#audit.lastKey < untilKey) {
      await this.#turn()
      session.settle()
      session.resend()
      this.#read()
      for (const { errors } of session.replicas) if (errors[0] !== undefined) throw errors[0]
    }
    return this.#audit
  }

  /** The active replica is gone, in the middle of what is under way and with half of it; its standby takes its place. */
  async fail(name: string): Promise<void> {
    const { session } = this
    const pair = this.pairs.get(name)
    if (pair === undefined) throw new Error(name)
    await this.#turn()
    session.sequence()
    session.deliver(pair.active)
    session.commandsUnderWay.splice(0, Math.ceil(session.commandsUnderWay.length / 2))
    session.sequence()
    session.removeReplica(pair.active)
    session.activate(name, pair.standby)
  }

  /** A replica that went away is still there, and its input would wait for ever. */
  stop(): void {
    for (const { active, standby } of this.pairs.values()) {
      active.host.stop('the test is over')
      standby.host.stop('the test is over')
    }
  }

  /** The input reads on, and what it issues is sent. */
  async #turn(): Promise<void> {
    await sleep(1)
    for (const { host } of this.session.replicas) host.flush(this.session.nowUs)
  }

  #read(): void {
    this.#next = this.session.log.read(this.#next, Number.POSITIVE_INFINITY, (_sequence, count, bytes, start) => {
      for (let i = 0, at = start; i < count; i++) {
        const lengthBytes = readU16(bytes, at)
        at += BLOCK_LENGTH_BYTES
        const type = eventType(bytes, at)
        const name = schema.nameOf(type)
        if (name !== undefined) {
          const payload = schema.decode(type, bytes, at + EVENT_HEADER_BYTES, at + lengthBytes)
          this.#audit.onEvent(name, payload, eventTimeUs(bytes, at))
        }
        at += lengthBytes
      }
      return true
    })
  }
}

test('on real hosts: the counts of the sequential program, and equal digests of active and standby', async (t) => {
  const input = writeInput(folder, 'session.itch50', generateItchFile({ orders: 1_500, seed: 3 }))
  const system = new System(input)
  t.teardown(() => system.stop())
  const audit = await system.run()
  t.same(audit.report(), expectedReport(input))
  t.same(audit.problems(), [])
  system.session.requestDigest('')
  system.session.settle()
  for (const [name, { active, standby }] of system.pairs) {
    t.equal(active.host.state, 'active', name)
    t.equal(active.host.digest(), standby.host.digest(), name)
  }
})

for (const name of ['client-proxy', 'order-manager', 'order-router', 'exchange-gateway']) {
  test(`the ${name} goes away in the middle: nothing is lost and nothing doubled`, async (t) => {
    const input = writeInput(folder, `${name}.itch50`, generateItchFile({ orders: 2_000, seed: 5 }))
    const system = new System(input)
    t.teardown(() => system.stop())
    t.notOk((await system.run(1_000)).isDone)
    await system.fail(name)
    const audit = await system.run()
    t.same(audit.report(), expectedReport(input))
    t.same(audit.problems(), [])
  })
}
