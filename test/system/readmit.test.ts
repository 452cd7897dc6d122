/**
 * The only voter loses its disk. Nothing of the session is begun anew behind the operator's back; what a copy has is fetched; and when an
 * operator has decided, the session goes on.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import type { Running } from '../fixtures/processes.js'
import { LOAD } from './tally.js'
import { World } from './world.js'

const SEQUENCER = ['--voters', 'a']

test('a single voter without its disk: recovering, until an operator decides', async (t) => {
  const world = await World.open(t)
  const admin = (...what: string[]) => world.place.run(['admin', 'readmit', 'a', ...what, ...world.place.streams])
  const startVoter = (): Running => world.startStore('a', '--voter', 'a')
  const lose = async (voter: Running): Promise<void> => {
    voter.child.kill('SIGKILL')
    await voter.result()
    rmSync(world.storeDirectory('a'), { recursive: true })
    world.forget()
  }
  const has = (name: string, sequence: number) => () => (world.store(name)?.durableSequence ?? 0) >= sequence
  const stable = () => world.sequencer?.stableSequence ?? 0

  let voter = startVoter()
  const copy = world.startStore('c')
  let sequencer = world.startSequencer(...SEQUENCER)
  await world.until('a sequencer', () => world.sequencer?.state === 'open', voter, sequencer, copy)
  const send = world.startSend(LOAD)
  send.child.stdin?.end(Buffer.from([0, 4, 0, 0, 0, 1, 0, 0]))
  t.equal((await send.result()).status, 0)
  await world.until('a copy of it', () => stable() > 3 && has('c', stable())(), voter, sequencer, copy)

  t.equal((await admin('--accept-loss')).code, 'E_REFUSED', 'it has its vote')
  await lose(voter)
  const before = stable()
  voter = startVoter()
  await world.until('the voter to know', () => world.store('a')?.state === 'recovering', voter, sequencer)
  await world.until('it to have the log', has('a', Math.max(4, before)), voter, sequencer)
  const unwilling = await admin()
  t.strictSame([unwilling.status, unwilling.code], [2, 'E_USAGE'])
  t.match(unwilling.stderr, /--accept-loss/)
  const from = stable()
  const decided = await admin('--accept-loss', '--reason', 'the disk burnt')
  t.equal(decided.status, 0, decided.stderr)
  t.match(decided.lines[0], /^voter a votes again; it has \d+ events/)
  await world.until('events to become stable again', () => stable() > from + 2, voter, sequencer)

  sequencer.child.kill('SIGKILL')
  await sequencer.result()
  await lose(voter)
  voter = startVoter()
  await world.until('an empty voter', () => world.store('a') !== undefined && world.store('c') !== undefined, voter)
  const refused = await world.startSequencer(...SEQUENCER).result()
  t.equal(refused.code, 'E_SESSION_NEEDS_STORE', 'no second beginning where a store has the first one')
  // The voter grants while it has nothing, and refuses once it has what the copy gave it: either way the copy is named.
  t.match(refused.stderr, /store c has \d+ events.*seqcast admin readmit/s)

  await lose(voter)
  await world.stop(copy)
  const file = world.place.path('session.bin')
  const of = ['--session', world.session]
  for (const what of [
    ['export', '--dir', world.storeDirectory('c'), ...of, '--out', file],
    ['import', '--dir', world.storeDirectory('a'), ...of, '--input', file],
  ]) {
    const { status, stderr } = await world.place.run(what)
    t.equal(status, 0, stderr)
  }
  voter = startVoter()
  await world.until('what was imported', has('a', from), voter)
  t.equal(world.store('a')?.state, 'recovering', 'events that it never promised to: its promise is lost')
  const again = await admin('--accept-loss', '--json', '--reason', 'and again')
  t.match(JSON.parse(again.lines[0] ?? '{}'), { action: 'readmit', voter: 'a', votes: true })
  sequencer = world.startSequencer(...SEQUENCER)
  await world.until(
    'it to go on',
    () => (world.sequencer?.nextSequence ?? 0) > from && stable() > from,
    voter,
    sequencer,
  )
  const path = join(world.storeDirectory('a'), world.session, 'promise.json')
  t.ok(existsSync(path))
  t.match(JSON.parse(readFileSync(path, 'utf8')).readmitted, [{ reason: 'and again' }], 'the decision is on record')
  await world.stop(sequencer, voter)
})
