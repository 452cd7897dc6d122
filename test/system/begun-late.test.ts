/**
 * All is dead after a session has ended, and nobody has an event of the one that it names. An operator starts every role with the id of
 * that one: it goes on from the first, with all that is carried over. Nothing is said of the first id on any command line.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { EVENT_HEADER_BYTES } from '../../src/wire/event.js'
import { SESSION_STARTED, sessionStartedCodec } from '../../src/wire/runtime-events.js'
import { readRecording } from './recorded.js'
import { ASK, LOAD, TALLIED, tallyOf } from './tally.js'
import { World } from './world.js'

const LOADS = 500
const NEXT = 'NEXT'

const VOTER = ['--voter', 'a'] as const

const line = (n: number): string =>
  JSON.stringify({ type: LOAD, payload: Buffer.from(Uint32Array.of(n).buffer).swap32().toString('base64') })

test('a session that is started by its own id goes on from the one that named it', async (t) => {
  const world = await World.open(t)
  const store = world.startStore('a', ...VOTER)
  const sequencer = world.startSequencer('--voters', 'a')
  const tally = world.startTally('a')
  await world.until('an active component', () => world.tally('a')?.state === 'active', store, sequencer, tally)
  const loads = Array.from({ length: LOADS }, (_, i) => line(i + 1)).join('\n')
  const sent = await world.place.run(['send', ...world.place.streams], `${loads}\n`)
  t.equal(sent.status, 0, sent.stderr)
  await world.decide('roll-session', '--to', NEXT)
  await world.stop(tally, sequencer, store)
  const directory = world.storeDirectory('a')
  // As if all had died before the session had any event.
  rmSync(join(directory, NEXT), { recursive: true })

  const streams = world.place.streams.map((word) => (word === world.session ? NEXT : word))
  const start = (...words: readonly string[]) => world.place.start(...words, ...streams)
  world.forget()
  world.observer.control.follow(NEXT)
  const ports = ['--request-port', '0', '--rewind-port', '0']
  const again = [start('store', '--dir', directory, '--name', 'a', ...ports, ...VOTER)]
  await world.until('a store', () => world.store('a')?.predecessor === world.session, ...again)
  again.push(start('sequencer', '--request-port', '0', '--voters', 'a'))
  const path = fileURLToPath(new URL('./tally.js', import.meta.url))
  again.push(start('run', path, '--instance', 'a', '--no-guard'))
  await world.until('an active component', () => world.tally('a')?.state === 'active', ...again)
  const asked = await world.place.run(['send', ...streams], JSON.stringify({ type: ASK, payload: '' }))
  t.equal(asked.status, 0, asked.stderr)
  await world.until('its answer', () => world.tally('a')?.outboxCommands === 0, ...again)
  await world.stop(...again.reverse())
  const { events } = await readRecording(directory, NEXT)
  const started = events.find(({ type }) => type === SESSION_STARTED)?.bytes.subarray(EVENT_HEADER_BYTES)
  t.equal(started && sessionStartedCodec.decode(started)?.predecessor, world.session)
  const tallied = Buffer.from(events.find(({ type }) => type === TALLIED)?.bytes.subarray(EVENT_HEADER_BYTES) ?? [])
  t.strictSame({ loads: tallied.readUInt32BE(0), checksum: tallied.readUInt32BE(4) }, tallyOf(LOADS))
})
