/**
 * Events are published that no store has, and the sequencer dies: the next one goes on without them. Whoever watches is told and goes on,
 * and whoever sends has each message in the stream once.
 */
import { test } from 'tap'
import { DemoWatch } from '../../src/cli/demo/watch.js'
import { readRecording } from './recorded.js'
import { World } from './world.js'

const SEQUENCER = ['--voters', 'a,b,c']
const VOTERS = ['a', 'b', 'c'] as const
const TYPE = 700

const record = (text: string): Buffer => Buffer.concat([Buffer.from([0, text.length]), Buffer.from(text)])

test('tail says what was revoked and goes on; send sends it again', async (t) => {
  const world = await World.open(t)
  const start = () => VOTERS.map((name) => world.startStore(name, '--voter', name))
  let stores = start()
  const first = world.startSequencer(...SEQUENCER)
  const epoch = (wanted: number) => () =>
    [...world.observer.heard.sequencers.values()].some((s) => s.epoch === wanted && s.state === 'open')
  await world.until('a sequencer', epoch(1), first, ...stores)
  const { streams } = world.place
  const tails = [
    world.place.start('tail', ...streams, '--json', '--from', '1', '--follow'),
    world.place.start('tail', ...streams, '--from', '1', '--follow'),
  ]
  const [json, text] = tails as [(typeof tails)[0], (typeof tails)[0]]
  const watch = await DemoWatch.open(world.options)
  t.teardown(() => watch.close())
  await watch.follow(world.options)
  const send = world.startSend(TYPE)
  send.child.stdin?.write(record('before'))
  await json.until(() => /"payload":"YmVmb3Jl"/.test(json.stdout.toString()), 'the first message')
  await world.until('it to be stable', () => (world.sequencer?.stableSequence ?? 0) > 3, first, send)

  for (const store of stores) store.child.kill('SIGKILL')
  await Promise.all(stores.map((store) => store.result()))
  send.child.stdin?.write(record('meanwhile'))
  await json.until(() => /"payload":"bWVhbndoaWxl"/.test(json.stdout.toString()), 'a message that no store has')
  await text.until(() => /bWVhbndoaWxl/.test(text.stdout.toString()), 'the same')
  first.child.kill('SIGKILL')
  await first.result()
  world.forget()
  stores = start()
  const second = world.startSequencer(...SEQUENCER)
  await world.until('the next sequencer', epoch(2), second, send, ...tails, ...stores)
  send.child.stdin?.end(Buffer.concat([record('after'), Buffer.alloc(2)]))
  const sent = await send.result()
  t.equal(sent.status, 0, sent.stderr)
  t.match(JSON.parse(sent.lines[0] ?? ''), { messages: 3, events: 3, stable: true })
  await json.until(() => /"payload":"YWZ0ZXI="/.test(json.stdout.toString()), 'the last message')
  await text.until(() => /YWZ0ZXI=/.test(text.stdout.toString()), 'the last message')

  const lines = json.lines.map((line) => JSON.parse(line))
  const at = lines.findIndex((line) => 'revokedFrom' in line)
  t.ok(at > 0, 'one line says so')
  const { revokedFrom } = lines[at]
  t.equal(lines[at + 1].sequence, revokedFrom, 'the branch that lives goes on there')
  t.equal(lines[at + 1].name, 'EpochOpened')
  t.match(text.stdout.toString(), new RegExp(`events from ${revokedFrom} on were revoked`))
  const kept = [...lines.slice(0, at).filter((line) => line.sequence < revokedFrom), ...lines.slice(at + 1)]
  t.ok(
    kept.every((line, i) => line.sequence === kept[0].sequence + i || line.sequence > kept[i - 1].sequence),
    'in order',
  )
  const messages = kept
    .filter((line) => line.type === TYPE)
    .map((line) => Buffer.from(line.payload, 'base64').toString())
  t.strictSame(messages, ['before', 'meanwhile', 'after'], 'each once')

  for (const tail of tails) t.equal((await tail.stop()).status, 0, tail.stderr)
  await world.stop(second, ...stores)
  const { events } = await readRecording(world.storeDirectory('a'), world.session)
  await watch.until('the end of what is recorded', 5_000, () => watch.events === events.length)
  t.equal(events.filter(({ type }) => type === TYPE).length, 3)
})
