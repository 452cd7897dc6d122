/**
 * A chain of sessions as those see it who are in it: a sender loses nothing at a switch, tail shows all of it, and a component that is
 * killed while everybody waits for its seed reads the session before, and brings it.
 */
import { test } from 'tap'
import { ASK, LOAD, TALLIED, tallyOf } from './tally.js'
import { World } from './world.js'

const LOADS = 12_000
/** So many every few milliseconds while the session is switched. */
const AT_ONCE = 10

/** JSON Lines of `first` to `last`. */
function loads(first: number, last: number): string {
  const lines: string[] = []
  for (let n = first; n <= last; n++) {
    const payload = Buffer.alloc(4)
    payload.writeUInt32BE(n)
    lines.push(JSON.stringify({ type: LOAD, payload: payload.toString('base64') }))
  }
  return `${lines.join('\n')}\n`
}

test('a sender and a watcher go on in the next session: each message is an event once', async (t) => {
  const world = await World.open(t)
  const store = world.startStore('a')
  const sequencer = world.startSequencer()
  const tally = world.startTally('a')
  await world.until('an active component', () => world.tally('a')?.state === 'active', store, sequencer, tally)
  const watcher = world.place.start(
    'tail',
    '--from',
    '1',
    '--follow',
    '--json',
    '--type',
    String(LOAD),
    ...world.place.streams,
  )
  const send = world.place.start('send', '--json', ...world.place.streams)
  const sequenced = (): number => world.sequencer?.nextSequence ?? 0
  send.child.stdin?.write(loads(1, 2_000))
  await world.until('some of them', () => sequenced() > 2_000, send, tally, sequencer, store)
  let given = 2_000
  const more = setInterval(() => {
    if (given + AT_ONCE > LOADS) return
    send.child.stdin?.write(loads(given + 1, given + AT_ONCE))
    given += AT_ONCE
  }, 5)
  await world.decide('roll-session', '--to', 'NEXT')
  clearInterval(more)
  t.ok(given < LOADS, `${given} were given until the end was decided`)
  send.child.stdin?.end(loads(given + 1, LOADS))
  const sent = await send.result()
  t.equal(sent.status, 0, sent.stderr)
  const report = JSON.parse(sent.lines.at(-1) ?? '')
  t.match(report, { session: 'NEXT', messages: LOADS, events: LOADS, stable: true })
  t.strictSame(
    report.sessions.map(({ session }: { session: string }) => session),
    [world.session, 'NEXT'],
  )
  t.equal(
    report.sessions.reduce((sum: number, { events }: { events: number }) => sum + events, 0),
    LOADS,
  )
  await world.until('all of them', () => watcher.lines.length > LOADS, watcher)
  const shown = watcher.lines.map((line) => JSON.parse(line))
  t.equal(shown.filter(({ session }) => session === 'NEXT').length, 1, 'the line between the two')
  const numbers = shown
    .filter(({ payload }) => payload)
    .map(({ payload }) => Buffer.from(payload, 'base64').readUInt32BE(0))
  t.strictSame(
    numbers,
    Array.from({ length: LOADS }, (_, i) => i + 1),
  )

  const asked = await world.place.run(['send', ...world.place.streams], JSON.stringify({ type: ASK, payload: '' }))
  t.equal(asked.status, 0, 'a sender that names the first session finds the one that goes on')
  const answer = await world.place.run(['tail', '--from', '1', '--type', String(TALLIED), '--json', ...next(world)])
  const tallied = Buffer.from(JSON.parse(answer.lines[0] ?? '').payload, 'base64')
  t.strictSame({ loads: tallied.readUInt32BE(0), checksum: tallied.readUInt32BE(4) }, tallyOf(LOADS))
  t.equal(
    tally.stderr.split('component: offers itself').length - 1,
    1,
    'who was active goes on, and offers itself no more',
  )
  await world.stop(watcher, tally, sequencer, store)
})

test('a component that dies before its seed is sent brings it when it is started again', async (t) => {
  const world = await World.open(t)
  const store = world.startStore('a')
  const sequencer = world.startSequencer()
  const first = world.startTally('a')
  await world.until('an active component', () => world.tally('a')?.state === 'active', store, sequencer, first)
  const sent = await world.place.run(['send', ...world.place.streams], loads(1, 500))
  t.equal(sent.status, 0, sent.stderr)
  first.child.kill('SIGKILL')
  await first.result()
  const roll = world.place.start('admin', 'roll-session', '--to', 'NEXT', '--anyway', ...world.place.streams)
  await world.until('the end', () => world.store('a')?.successor === 'NEXT', store, sequencer)
  const second = world.startTally('a')
  const rolled = await roll.result()
  t.equal(rolled.status, 0, rolled.stderr)
  const asked = await world.place.run(['send', ...next(world)], JSON.stringify({ type: ASK, payload: '' }))
  t.equal(asked.status, 0, asked.stderr)
  const answer = await world.place.run([
    'tail',
    '--from',
    '1',
    '--follow',
    '--count',
    '1',
    '--type',
    String(TALLIED),
    '--json',
    ...next(world),
  ])
  const tallied = Buffer.from(JSON.parse(answer.lines[0] ?? '').payload, 'base64')
  t.strictSame({ loads: tallied.readUInt32BE(0), checksum: tallied.readUInt32BE(4) }, tallyOf(500))
  await world.stop(second, sequencer, store)
})

/** The same streams, and the session that goes on. */
function next({ place }: World): string[] {
  return place.streams.map((word) => (word === place.session ? 'NEXT' : word))
}
