/** Messages go in with `send` and are watched with `tail`. */
import { writeFileSync } from 'node:fs'
import { test } from 'tap'
import { cancels, OMS_PROTO, startSequencer, startSystem } from '../fixtures/processes.js'

interface Line {
  readonly sequence: number
  readonly type: number
  readonly name?: string
  readonly payload: unknown
  readonly fragmentBytes?: number
}

const parse = (lines: readonly string[]): Line[] => lines.map((line) => JSON.parse(line))

test('messages go in and come out', async (t) => {
  const s = await startSystem(t)
  await t.test('JSON Lines become events, in order, and tail decodes them', async (t) => {
    writeFileSync(s.path('in.jsonl'), cancels(1, 1_000))
    const sent = await s.run(['send', ...s.streams, '--input', 'in.jsonl', '--proto', OMS_PROTO, '--json'])
    t.equal(sent.status, 0, sent.stderr)
    const said = JSON.parse(sent.lines[0] ?? '')
    t.match(said, { messages: 1_000, events: 1_000, firstSequence: 3, lastSequence: 1_002, stable: true })
    t.equal(said.latency.count, 1_000)

    const tail = await s.run(['tail', ...s.streams, '--from', '1', '--proto', OMS_PROTO, '--json'])
    t.equal(tail.status, 0, tail.stderr)
    const lines = parse(tail.lines)
    t.strictSame(
      lines.map((line) => line.sequence),
      Array.from({ length: 1_002 }, (_, i) => i + 1),
      'every event once, in order',
    )
    t.strictSame(
      lines.slice(0, 2).map((line) => line.name),
      ['SessionStarted', 'SourceRegistered'],
    )
    t.strictSame(
      lines.slice(2).map((line) => line.payload),
      Array.from({ length: 1_000 }, (_, i) => ({ key: i + 1, orderId: 7 })),
    )

    const some = await s.run(['tail', ...s.streams, '--from', '10', '--count', '3', '--proto', OMS_PROTO])
    t.equal(some.status, 0)
    t.equal(some.lines.length, 3)
    t.match(some.lines[0], /^ +10 .* CancelRequested {2}\{"key":8,"orderId":7\}$/)
  })

  await t.test(
    'BinaryFILE messages of one type, and raw lines from standard input; a long one travels in fragments',
    async (t) => {
      const record = (bytes: Buffer): Buffer =>
        Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
      const long = Buffer.alloc(5_000, 'x')
      const file = Buffer.concat([
        record(Buffer.from('first')),
        record(long),
        record(Buffer.from('last')),
        Buffer.alloc(2),
      ])
      writeFileSync(s.path('in.bin'), file)
      const sent = await s.run(['send', ...s.streams, '--input', 'in.bin', '--type', '700', '--json'])
      t.equal(sent.status, 0, sent.stderr)
      const said = JSON.parse(sent.lines[0] ?? '')
      t.match(said, { messages: 3, events: 6, stable: true }, 'four fragments')
      const from = Number(said.firstSequence)
      const raw = await s.run(['send', ...s.streams, '--json'], '\n{"type": 701, "payload": "aGVsbG8="}\n')
      t.equal(raw.status, 0, raw.stderr)

      const tail = await s.run(['tail', ...s.streams, '--from', String(from), '--json'])
      const lines = parse(tail.lines)
      t.strictSame(
        lines.map(({ type, fragmentBytes }) => fragmentBytes ?? type),
        [700, 1342, 1342, 1342, 700, 700, 2, 701],
      )
      t.equal(lines[4]?.payload, long.toString('base64'), 'the last fragment shows the whole message')
      t.equal(lines[7]?.payload, 'aGVsbG8=')
    },
  )

  await t.test('a paced send keeps its rate', async (t) => {
    const sent = await s.run(['send', ...s.streams, '--proto', OMS_PROTO, '--rate', '1000', '--json'], cancels(1, 500))
    t.equal(sent.status, 0, sent.stderr)
    const { seconds } = JSON.parse(sent.lines[0] ?? '')
    t.ok(seconds > 0.45 && seconds < 2, `${seconds} s`)
  })
})

test('tail waits for what is to come, and ends with the session', async (t) => {
  const s = await startSystem(t)
  const verbose = ['--json', '--log-level', 'info']
  const live = s.start('tail', ...s.streams, '--proto', OMS_PROTO, ...verbose)
  const later = s.start('tail', ...s.streams, '--from', '5', '--follow', '--count', '2', ...verbose)
  await Promise.all([live.says('tail: watching'), later.says('tail: watching')])
  const sent = await s.run(['send', ...s.streams, '--proto', OMS_PROTO], cancels(1, 10))
  t.equal(sent.status, 0, sent.stderr)
  const waited = await later.result()
  t.equal(waited.status, 0, waited.stderr)
  t.strictSame(
    parse(waited.lines).map(({ sequence }) => sequence),
    [5, 6],
  )
  const ended = await s.run(['admin', 'end-session', ...s.streams])
  t.equal(ended.status, 0, ended.stderr)
  const all = await live.result()
  t.equal(all.status, 0, all.stderr)
  const lines = parse(all.lines)
  t.strictSame(
    lines.map(({ sequence }) => sequence),
    Array.from({ length: 12 }, (_, i) => i + 2),
    'from the next event on',
  )
  t.equal(lines.at(-1)?.name, 'SessionEnded')
  t.equal((await s.sequencer.result()).status, 0)

  const past = await s.run(['tail', ...s.streams, '--from', '13', '--json'])
  t.equal(past.status, 0, 'the store alone still has the session')
  t.equal(parse(past.lines)[0]?.name, 'SessionEnded')
  const late = await s.run(['send', ...s.streams, '--proto', OMS_PROTO], cancels(1, 1))
  t.strictSame([late.status, late.code], [1, 'E_REFUSED'], 'it has ended: nobody takes commands any more')
  t.match(late.stderr, `session ${s.session} has ended`)
})

test('two senders at once, on bad networks: every command becomes exactly one event', async (t) => {
  const faults = ['--loss', '0.05', '--duplicate', '0.05', '--reorder', '0.05']
  const s = await startSystem(t, ...faults)
  const results = await Promise.all(
    [1, 2].map((seed) =>
      s.run(
        ['send', ...s.streams, '--proto', OMS_PROTO, '--json', ...faults, '--fault-seed', String(seed)],
        cancels(seed * 10_000, 2_000),
      ),
    ),
  )
  for (const result of results) {
    t.equal(result.status, 0, result.stderr)
    t.match(JSON.parse(result.lines.at(-1) ?? ''), { messages: 2_000, events: 2_000, stable: true })
  }
  const tail = await s.run(['tail', ...s.streams, '--from', '1', '--proto', OMS_PROTO, '--json'])
  t.equal(tail.status, 0, tail.stderr)
  const keys = parse(tail.lines)
    .filter(({ name }) => name === 'CancelRequested')
    .map(({ payload }) => (payload as { key: number }).key)
  t.equal(keys.length, 4_000)
  for (const seed of [1, 2]) {
    const own = keys.filter((key) => Math.floor(key / 10_000) === seed)
    t.strictSame(
      own,
      Array.from({ length: 2_000 }, (_, i) => seed * 10_000 + i),
      'in the order in which they were sent',
    )
  }
})

test('a signal ends a send in order; a sequencer that comes back finds it waiting', async (t) => {
  const s = await startSystem(t)
  const send = ['send', ...s.streams, '--proto', OMS_PROTO, '--json', '--log-level', 'debug']
  writeFileSync(s.path('in.jsonl'), cancels(1, 5_000))
  const paced = s.start(...send, '--input', 'in.jsonl', '--rate', '1000')
  await paced.says('outbox connected')
  const open = s.start(...send)
  open.child.stdin?.write(`${cancels(9_001, 3)}\n`)
  await open.says('outbox connected')
  await new Promise((resolve) => setTimeout(resolve, 200))
  const [cut, ended] = await Promise.all([paced.stop('SIGTERM'), open.stop('SIGINT')])
  t.strictSame([cut.status, cut.code], [1, 'E_INPUT'], 'part of a file')
  const said = JSON.parse(cut.lines[0] ?? '')
  t.ok(said.messages > 100 && said.messages < 5_000 && said.events === said.messages && said.stable, cut.lines[0] ?? '')
  t.equal(ended.status, 0, ended.stderr)
  t.match(JSON.parse(ended.lines[0] ?? ''), { messages: 3, events: 3, stable: true })

  const long = s.start(...send, '--input', 'in.jsonl', '--rate', '2500')
  await long.says('outbox connected')
  s.sequencer.child.kill('SIGKILL')
  await s.sequencer.result()
  const again = startSequencer(s)
  await again.says('sequencer: session open')
  const survived = await long.result()
  t.equal(survived.status, 0, survived.stderr)
  t.match(JSON.parse(survived.lines[0] ?? ''), { messages: 5_000, events: 5_000, stable: true })
})
