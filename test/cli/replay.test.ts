/** `replay`: a recorded session again, to a component and onto the network. */
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { cancels, OMS_PROTO, startSystem } from '../fixtures/processes.js'

const COUNTER = fileURLToPath(new URL('../fixtures/counting-component.js', import.meta.url))

test('a recorded session is replayed', async (t) => {
  const s = await startSystem(t)
  const live = s.start('run', COUNTER, ...s.streams, '--json')
  await live.says('"state":"active"')
  const send = ['send', ...s.streams, '--proto', OMS_PROTO, '--json']
  const sent = await s.run([...send, '--rate', '500'], cancels(1, 200))
  t.equal(sent.status, 0, sent.stderr)
  t.equal((await s.run(['admin', 'digest', ...s.streams])).status, 0)
  await new Promise((resolve) => setTimeout(resolve, 300))
  const status = await s.run(['status', ...s.streams, '--json'])
  const { digest: liveDigest, digestSequence } = JSON.parse(status.lines[0] ?? '').components[0]
  t.equal((await live.stop()).status, 0)
  t.equal((await s.run(['admin', 'end-session', ...s.streams])).status, 0)
  await s.sequencer.result()
  t.equal((await s.store.stop()).status, 0)
  const replay = ['replay', '--dir', s.stored, '--session', s.session]

  await t.test('to a component: the same commands, the same digests', async (t) => {
    const played = await s.run([...replay, '--run', COUNTER, '--json'])
    t.equal(played.status, 0, played.stderr)
    const said = JSON.parse(played.lines[0] ?? '')
    t.match(said, { component: 'counter', ended: 'complete', commandsLeft: 0 })
    t.ok(said.digestsVerified >= 2, `${said.digestsVerified} digests compared`)
    t.ok(said.commandsVerified >= 20, `${said.commandsVerified} commands compared`)
    const upTo = await s.run([...replay, '--run', COUNTER, '--to-seq', String(digestSequence), '--json'])
    t.equal(JSON.parse(upTo.lines[0] ?? '').digest, liveDigest, 'the digest that the live one had there')
    const plain = await s.run([...replay, '--run', COUNTER])
    t.match(plain.lines.at(-1), new RegExp(`^digest after event ${said.sequence}: ${said.digest}$`))
  })

  await t.test('at a pace', async (t) => {
    const startedMs = Date.now()
    const played = await s.run([
      ...replay,
      '--run',
      COUNTER,
      '--speed',
      '1',
      '--from-seq',
      '50',
      '--to-seq',
      '200',
      '--json',
    ])
    t.equal(played.status, 0, played.stderr)
    const { seconds } = JSON.parse(played.lines[0] ?? '')
    t.ok(seconds > 0.2 && seconds < (Date.now() - startedMs) / 1000, `${seconds} s for 150 events at 500 a second`)
  })

  await t.test('to a component that has changed: where it differs', async (t) => {
    const played = await s.run([...replay, '--run', COUNTER, '--option', 'twist=100', '--json'])
    t.strictSame([played.status, played.code], [1, 'E_NONDETERMINISM'], played.stderr)
    t.equal(JSON.parse(played.lines[0] ?? '').ended, 'failed')
  })

  await t.test('onto the network, as another session, which record takes', async (t) => {
    const record = s.start(
      'record',
      '--group',
      s.groups.event,
      '--dir',
      s.path('copy'),
      '--json',
      '--log-level',
      'info',
    )
    await record.says('record: listening')
    const to = ['--publish', '--event-group', s.groups.event, '--as', 'COPY']
    const published = await s.run([...replay, ...to, '--speed', 'max', '--json'])
    t.equal(published.status, 0, published.stderr)
    const recorded = await record.result()
    t.equal(recorded.status, 0, recorded.stderr)
    const { events } = JSON.parse(published.lines[0] ?? '')
    t.match(JSON.parse(recorded.lines[0] ?? ''), { session: 'COPY', firstSequence: 1, events, ended: true })
    const bytes = ['--format', 'binaryfile']
    const original = await s.run(['export', '--dir', s.stored, '--session', s.session, ...bytes])
    const copy = await s.run(['export', '--dir', 'copy', '--session', 'COPY', ...bytes])
    t.ok(original.stdout.length > 5_000 && original.stdout.equals(copy.stdout), 'the same bytes')
  })

  await t.test(
    'a part of it onto the network: exactly these events, also where packets begin before and end after',
    async (t) => {
      const record = s.start(
        'record',
        '--group',
        s.groups.event,
        '--dir',
        s.path('part'),
        '--json',
        '--log-level',
        'info',
      )
      await record.says('record: listening')
      const range = ['--from-seq', '51', '--to-seq', '61']
      const to = ['--publish', '--event-group', s.groups.event, '--as', 'PART', '--speed', 'max', '--json']
      const published = await s.run([...replay, ...range, ...to])
      t.match(JSON.parse(published.lines[0] ?? ''), { from: 51, to: 61, events: 11 }, published.stderr)
      const recorded = await record.result()
      t.match(JSON.parse(recorded.lines[0] ?? ''), { session: 'PART', firstSequence: 51, events: 11, ended: true })
      const bytes = ['--format', 'binaryfile']
      const original = await s.run(['export', '--dir', s.stored, '--session', s.session, ...range, ...bytes])
      const copy = await s.run(['export', '--dir', 'part', '--session', 'PART', ...bytes])
      // The copy ends with the mark of an ended session.
      t.equal(countMessages(original.stdout), 11, original.stderr)
      t.ok(copy.stdout.subarray(0, original.stdout.length).equals(original.stdout), copy.stderr)
      const none = await s.run([...replay, '--from-time', '2120-01-01', ...to])
      t.match(JSON.parse(none.lines[0] ?? ''), { events: 0, packets: 0 }, none.stderr)
    },
  )

  await t.test('wrong usage', async (t) => {
    const wrong: [string[], number, string][] = [
      [[], 2, 'E_USAGE'],
      [['--run', COUNTER, '--publish'], 2, 'E_USAGE'],
      [['--publish', '--event-group', s.groups.event], 2, 'E_USAGE'],
      [['--publish', '--event-group', s.groups.event, '--as', s.session], 2, 'E_CONFIG'],
      [['--publish', '--event-group', '1.2.3.4:5', '--as', 'COPY'], 2, 'E_GROUP'],
      [['--run', COUNTER, '--speed', '0'], 2, 'E_CONFIG'],
      [['--run', 'none.js'], 1, 'E_MODULE'],
    ]
    for (const [flags, status, code] of wrong) {
      const result = await s.run([...replay, ...flags])
      t.strictSame([result.status, result.code], [status, code], flags.join(' '))
    }
  })
})

/** Of a BinaryFILE: each message after its length. */
function countMessages(file: Buffer): number {
  let count = 0
  for (let at = 0; at < file.length; at += 2 + file.readUInt16BE(at)) count++
  return count
}
