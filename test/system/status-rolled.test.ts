/** What `seqcast status` says after a session has gone on and stores have died, asked by the first id, as a supervisor's script does. */
import { test } from 'tap'
import { World } from './world.js'

test('the store that is missing is named in the session that goes on; where none is left, the way there is', async (t) => {
  const world = await World.open(t)
  const stores = ['a', 'b', 'c'].map((name) => world.startStore(name, '--voter', name))
  const sequencer = world.startSequencer('--voters', 'a,b,c', '--tick-ms', '50')
  const isOpen = (): boolean => world.sequencer?.state === 'open'
  await world.until('a sequencer', isOpen, sequencer, ...stores)
  await world.decide('roll-session', '--to', 'NEXT')
  world.forget()
  world.observer.control.follow('NEXT')
  await world.until('the next session', isOpen, sequencer, ...stores)
  const ask = () => world.place.run(['status', '--check', '--json', ...world.place.streams])
  const well = await ask()
  t.equal(well.status, 0, String(well.stdout))
  t.match(JSON.parse(well.lines[0] ?? ''), { session: 'NEXT', problems: [] })

  const kill = async (i: number): Promise<void> => {
    stores[i]?.child.kill('SIGKILL')
    await stores[i]?.result()
  }
  await kill(2)
  const without = await ask()
  t.equal(without.status, 1)
  t.match(JSON.parse(without.lines[0] ?? ''), {
    session: 'NEXT',
    problems: [/^voter c is not heard: if one more goes, nothing becomes stable/],
  })
  await kill(1)
  const held = await ask()
  t.match(JSON.parse(held.lines[0] ?? '').problems, [/^sequencer (waits|is held): voters b, c are not heard/])
  await kill(0)
  const alone = await ask()
  t.equal(alone.status, 1)
  t.match(alone.stderr, /E_SESSION_UNKNOWN/)
  t.match(alone.stderr, /heard there: sequencer of NEXT/)
  t.match(alone.stderr, /seqcast status --session NEXT/)
  sequencer.child.kill('SIGKILL')
})
