/**
 * Whether published is stable is read from the first event of the session, and from nothing else: no heartbeat, which may be late,
 * forged or of another sequencer, decides it.
 */
import { test } from 'tap'
import { ComponentHost } from '../../src/component/host.js'
import { TestSession } from '../../src/component/test-session.js'
import { desk, deskSchema } from './desk.js'

for (const hasVoters of [false, true]) {
  test(`${hasVoters ? 'with' : 'without'} voters, and with nobody to say what is stable`, (t) => {
    const session = new TestSession({ manualStability: hasVoters })
    const replica = session.addReplica(desk)
    session.settle()
    session.activate(desk.name, replica)
    session.settle()
    session.publish(256, deskSchema.encode('Order', { id: 1, shares: 1 }))
    session.settle()

    const host = new ComponentHost(
      desk,
      { session: session.session, instance: 'reader', incarnation: 99, mode: 'replica' },
      { sendCommands: () => {}, stateChanged: () => {}, failed: (error) => t.fail(error.message) },
    )
    session.log.read(1, Number.MAX_SAFE_INTEGER, (sequence, count, bytes, start, end) => {
      host.onRun(sequence, count, bytes, start, end, session.nowUs)
      return true
    })
    t.equal(host.nextSequence, session.sequencer.nextSequence)
    t.ok(Number(host.status().counters.commandsVerified) > 0, 'its command has come back')
    t.equal(host.status().outboxCommands > 0, hasVoters, 'and is held as long as it may be revoked')
    t.end()
  })
}
