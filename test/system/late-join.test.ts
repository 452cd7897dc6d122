/** A component that comes late joins a fast stream without a hole; SIGTERM stops every role in order. */
import { test } from 'tap'
import { Load } from './load.js'
import { loadsOf, readRecording, talliesOf } from './recorded.js'
import { LOAD, TALLIED, tallyOf } from './tally.js'
import { World } from './world.js'

const EVENTS_A_SECOND = 50_000

test('a late component rewinds and joins while events flow; SIGTERM leaves nothing to repair', async (t) => {
  const world = await World.open(t)
  const store = world.startStore('a', '--voter', 'a')
  const sequencer = world.startSequencer('--voters', 'a')
  const early = world.startTally('early')
  const roles = [store, sequencer, early]
  await world.until('the active component', () => world.tally('early')?.state === 'active', ...roles)

  const sender = world.startSend(LOAD, '--rate', String(EVENTS_A_SECOND))
  const load = new Load(sender)
  await world.until('a history', () => (world.tally('early')?.nextSequence ?? 0) > EVENTS_A_SECOND, ...roles, sender)
  const late = world.startTally('late', '--standby')
  roles.push(late)
  await world.until('the late component to be live', () => world.tally('late')?.state === 'standby', ...roles, sender)
  const joinedAt = world.tally('late')?.nextSequence ?? 0
  await world.until(
    'a second of live events',
    () => (world.tally('late')?.nextSequence ?? 0) > joinedAt + EVENTS_A_SECOND,
    ...roles,
    sender,
  )
  t.notOk(sender.isOver, 'it joined while events flowed')
  const sent = await load.end()
  t.comment(`late at ${joinedAt}; ${Math.round(sent.messages / sent.seconds)} events a second over ${sent.messages}`)
  t.equal(sent.messages, load.written)

  await world.ask()
  const digestAt = await world.decide('digest')
  await world.until(
    'both digests',
    () => ['early', 'late'].every((instance) => world.tally(instance)?.digestSequence === digestAt),
    ...roles,
  )
  t.strictSame(world.tally('late')?.digest, world.tally('early')?.digest, 'the late one knows what the early one knows')
  t.equal(world.tally('late')?.counters['lost-events'] ?? 0, 0)
  t.ok((world.tally('late')?.counters.rewinds ?? 0) > 0, 'it did rewind')

  await world.stop(late, early, sequencer, store)
  const { lastHolder, durableSequence, events } = await readRecording(world.storeDirectory('a'), world.session)
  t.equal(lastHolder, 'clean', 'nothing to repair')
  t.equal(events.length, durableSequence)
  t.ok(durableSequence >= digestAt, 'what was stable is there')
  t.ok(
    loadsOf(events).every((n, i) => n === i + 1),
    'every command once, in order',
  )
  t.equal(loadsOf(events).length, sent.messages)
  t.strictSame(talliesOf(events), [tallyOf(sent.messages)], 'and the component had counted them')
  t.equal(events.filter(({ type }) => type === TALLIED).length, 1)
})
