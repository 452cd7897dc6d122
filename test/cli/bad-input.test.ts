/**
 * Bad input through the command line: each slip gets its own error with a code and an exit status, and the session that was
 * there before is whole afterwards.
 */
import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { type Test, test } from 'tap'
import { generateItchFile } from '../../src/examples/oms/itch-generator.js'
import {
  cancels,
  OMS_PROTO,
  type Result,
  type System,
  stage,
  startSequencer,
  startStore,
  startSystem,
} from '../fixtures/processes.js'

const ORDER_MANAGER = fileURLToPath(new URL('../../src/examples/oms/order-manager.js', import.meta.url))

/** What a user sees: the code, the exit status, words that say what it is about, and a hint. */
function fails(t: Test, result: Result, status: number, code: string, words: RegExp): void {
  t.strictSame([result.status, result.code], [status, code], result.stderr)
  t.match(result.stderr, words)
  t.notMatch(result.stderr, /\n {4}at /, 'no stack')
}

const lastSequence = async (s: System): Promise<number> => {
  const listed = await s.run(['sessions', '--dir', s.stored, '--json'])
  return JSON.parse(listed.lines[0] ?? '').lastSequence
}

const record = (bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
const END = Buffer.alloc(2)
const GOOD = [record(Buffer.from('one')), record(Buffer.from('two'))]

test('files and messages', async (t) => {
  const s = await startSystem(t)
  const before = await lastSequence(s)
  const sendFile = (content: Buffer, ...flags: string[]): Promise<Result> => {
    writeFileSync(s.path('in.bin'), content)
    return s.run(['send', ...s.streams, '--input', 'in.bin', '--type', '258', ...flags])
  }
  /** A file is checked before anything is sent. */
  const nothingSent = async (t: Test): Promise<void> => {
    t.equal(await lastSequence(s), before, 'not even a source was registered')
  }

  await t.test('a truncated file', async (t) => {
    fails(
      t,
      await sendFile(Buffer.concat(GOOD).subarray(0, 8)),
      1,
      'E_FILE_FORMAT',
      /byte 5, after 1 messages \(truncated-message\)/,
    )
    fails(
      t,
      await sendFile(Buffer.concat(GOOD).subarray(0, 6)),
      1,
      'E_FILE_FORMAT',
      /byte 5, after 1 messages \(truncated-length\)/,
    )
    await nothingSent(t)
  })

  await t.test('an overlong length', async (t) => {
    const file = Buffer.concat([...GOOD, Buffer.from([0xff, 0xff]), Buffer.from('too short'), END])
    fails(t, await sendFile(file), 1, 'E_FILE_FORMAT', /byte 10, after 2 messages \(truncated-message\)/)
    await nothingSent(t)
  })

  await t.test('more bytes after the end', async (t) => {
    fails(
      t,
      await sendFile(Buffer.concat([...GOOD, END, GOOD[0] ?? END])),
      1,
      'E_FILE_FORMAT',
      /after 2 messages \(bytes-after-end\)/,
    )
    await nothingSent(t)
  })

  await t.test('the demo refuses such files before it starts anything', async (t) => {
    const itch = Buffer.from(generateItchFile({ orders: 20, seed: 1 }))
    const messages = itch.subarray(0, -2)
    const bad: [Buffer, RegExp][] = [
      [Buffer.concat([itch, messages]), /more bytes follow the zero length that ends the file/],
      [messages.subarray(0, -3), /ends in the middle of a message/],
      [Buffer.concat([messages, Buffer.from([0xff, 0xff, 1, 2])]), /no message is longer than 50 bytes/],
      [Buffer.concat([...GOOD, END]), /unknown message type/],
    ]
    await Promise.all(
      bad.map(async ([content, words], i) => {
        writeFileSync(s.path(`bad-${i}.itch50`), content)
        fails(t, await s.run(['demo', '--input', `bad-${i}.itch50`, '--json']), 1, 'E_FILE_FORMAT', words)
      }),
    )
    fails(t, await s.run(['demo', '--input', 'none.itch50', '--json']), 1, 'E_FILE', /none\.itch50/)
  })

  await t.test('an unknown message type', async (t) => {
    const proto = ['--proto', OMS_PROTO]
    writeFileSync(s.path('in.jsonl'), `${cancels(1, 3)}\n{"name": "OrderForgotten", "payload": {}}\n`)
    const unknown = await s.run(['send', ...s.streams, '--input', 'in.jsonl', ...proto])
    fails(t, unknown, 1, 'E_SCHEMA', /in\.jsonl:4: message 'OrderForgotten' is no event of the schema/)
    fails(t, await sendFile(GOOD[0] ?? END, '--type', '4000', ...proto), 1, 'E_SCHEMA', /type 4000 is no event/)
    fails(t, await sendFile(GOOD[0] ?? END, '--type', '9'), 2, 'E_CONFIG', /--type is "9".* from 256 to 65535/)
    fails(
      t,
      await s.run(['send', ...s.streams], '{"type": 9, "payload": ""}'),
      1,
      'E_FILE_FORMAT',
      /9 is no application type/,
    )
  })

  await t.test('a line that is no message', async (t) => {
    const lines = ['{"name": ', '[]', '{"type": 300}', '{"type": 300, "payload": "?"}']
    await Promise.all(
      lines.map(async (line, i) => {
        writeFileSync(s.path(`in-${i}.jsonl`), `\n${line}\n`)
        const sent = await s.run(['send', ...s.streams, '--input', `in-${i}.jsonl`])
        fails(t, sent, 1, 'E_FILE_FORMAT', new RegExp(`in-${i}\\.jsonl:2: `))
      }),
    )
    fails(t, await s.run(['send', ...s.streams, '--input', 'none']), 1, 'E_FILE', /none can't be read: ENOENT/)
  })

  await t.test('a payload that does not fit its message, in a file', async (t) => {
    const proto = ['--proto', OMS_PROTO]
    writeFileSync(s.path('in.jsonl'), '{"name": "CancelRequested", "payload": {"key": "x"}}')
    const wrong = await s.run(['send', ...s.streams, '--input', 'in.jsonl', ...proto])
    fails(t, wrong, 1, 'E_PAYLOAD', /in\.jsonl:1: CancelRequested\.key must be/)
    writeFileSync(s.path('long.jsonl'), '{"name": "CancelRequested", "payload": {"key": 9007199254740993}}')
    const long = await s.run(['send', ...s.streams, '--input', 'long.jsonl', ...proto])
    fails(t, long, 1, 'E_PAYLOAD', /must be .*, not 9007199254740993\n/)
    const garbage = Buffer.concat([record(Buffer.from([8, 1])), record(Buffer.from([0xff, 0xff]))])
    fails(t, await sendFile(garbage, ...proto), 1, 'E_PAYLOAD', /in\.bin, message 2: the payload is no CancelRequested/)
  })

  await t.test('standard input is sent up to the bad line, and it is said how much that was', async (t) => {
    const from = (await lastSequence(s)) + 1
    const sent = await s.run(['send', ...s.streams, '--proto', OMS_PROTO, '--json'], `${cancels(1, 5)}\nnonsense\n`)
    fails(t, sent, 1, 'E_FILE_FORMAT', /standard input:6: /)
    t.match(JSON.parse(sent.lines[0] ?? ''), { messages: 5, events: 5, firstSequence: from + 1, stable: true })
  })

  await t.test('a payload that does not decode, in the stream', async (t) => {
    const bad = await s.run(['send', ...s.streams], '{"type": 258, "payload": "//8="}')
    t.equal(bad.status, 0, bad.stderr)
    await s.run(['send', ...s.streams, '--proto', OMS_PROTO], cancels(9, 1))
    const last = await lastSequence(s)
    const tail = await s.run(['tail', ...s.streams, '--from', '1', '--proto', OMS_PROTO, '--json'])
    fails(
      t,
      tail,
      1,
      'E_PAYLOAD',
      /1 payloads did not decode, the first one of event \d+: the payload is no CancelRequested/,
    )
    t.equal(tail.lines.length, last, 'every event is shown all the same')
    const shown = tail.lines.map((line) => JSON.parse(line)).find((line) => line.problem !== undefined)
    t.match(shown, { type: 258, name: 'CancelRequested', payload: '//8=' })

    const component = await s.run(['run', ORDER_MANAGER, ...s.streams])
    t.strictSame([component.status, component.code], [1, 'E_PAYLOAD'], component.stderr)
    t.match(component.stderr, new RegExp(`${shown.sequence}`), 'the component stops, and names the event')
    t.equal((await s.run(['verify', '--dir', s.stored])).status, 0, 'the recording is whole')
  })

  await t.test('a sequence past the end', async (t) => {
    const past = String((await lastSequence(s)) + 1)
    fails(t, await s.run(['tail', ...s.streams, '--from', past]), 1, 'E_SEQUENCE_PAST_END', /its last one is/)
    const of = ['--dir', s.stored, '--session', s.session]
    const exported = await s.run(['export', ...of, '--format', 'jsonl', '--to-seq', past])
    fails(t, exported, 1, 'E_SEQUENCE_PAST_END', /holds events 1 to/)
    const replayed = await s.run(['replay', ...of, '--run', ORDER_MANAGER, '--from-seq', past])
    fails(t, replayed, 1, 'E_SEQUENCE_PAST_END', /holds events 1 to/)
  })
})

test('a session that does not exist', async (t) => {
  const s = await startSystem(t)
  const other = [...s.streams.slice(2), '--session', 'OTHER']
  const unknown = /session OTHER/
  const online = [['tail', '--from', '1'], ['send'], ['status']]
  await Promise.all(
    online.map(async (command) => fails(t, await s.run([...command, ...other]), 1, 'E_SESSION_UNKNOWN', unknown)),
  )
  const ports = /requestPort=(\d+) rewindPort=(\d+)/.exec(s.store.stderr)
  const stores = ['--stores', `127.0.0.1:${ports?.[1]}:${ports?.[2]}`]
  const asked = await s.run(['tail', ...other, '--from', '1', ...stores])
  fails(t, asked, 1, 'E_SESSION_UNKNOWN', /store 127\.0\.0\.1:\d+ says session-not-available/)
  for (const command of [['verify'], ['export', '--format', 'jsonl'], ['replay', '--run', ORDER_MANAGER]]) {
    const result = await s.run([...command, '--dir', s.stored, '--session', 'OTHER'])
    fails(t, result, 1, 'E_SESSION_UNKNOWN', /'OTHER' is not recorded/)
  }
  const elsewhere = s.streams.with(-1, '239.255.1.1:7')
  fails(t, await s.run(['tail', ...elsewhere, ...stores, '--from', '2']), 1, 'E_SEQUENCE_PAST_END', /last one is 1/)
  t.equal(
    (await s.run(['tail', ...elsewhere, ...stores, '--from', '1'])).lines.length,
    1,
    'the store knows its own session',
  )
})

test('roles that get in each other’s way', async (t) => {
  const s = await startSystem(t)
  const send = async (t: Test, first: number): Promise<void> => {
    const sent = await s.run(['send', ...s.streams, '--proto', OMS_PROTO, '--json'], cancels(first, 10))
    t.equal(sent.status, 0, sent.stderr)
    t.match(JSON.parse(sent.lines[0] ?? ''), { events: 10, stable: true })
  }

  await t.test('a second sequencer on the session', async (t) => {
    const second = await startSequencer(s).result()
    fails(t, second, 1, 'E_SECOND_SEQUENCER', /session .* already has a sequencer/)
    await send(t, 1)
  })

  await t.test('a store directory that a live process holds', async (t) => {
    const second = await startStore(s).result()
    fails(t, second, 1, 'E_STORE_HELD', new RegExp(`held by process ${s.store.child.pid}`))
    await send(t, 11)
  })

  await t.test('a TCP port in use', async (t) => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => server.close())
    const address = server.address()
    const port = typeof address === 'object' ? String(address?.port) : ''
    const store = s.start(
      'store',
      ...s.streams,
      '--dir',
      s.path('b'),
      '--name',
      'b',
      '--request-port',
      '0',
      '--rewind-port',
      port,
    )
    const inUse = new RegExp(`TCP port ${port} on 127\\.0\\.0\\.1 is in use\\n.*--rewind-port; 0 takes a free one`)
    fails(t, await store.result(), 1, 'E_PORT_IN_USE', inUse)
    t.notOk(existsSync(s.path('b')), 'nothing is left behind')
    await send(t, 21)
    const again = s.start(
      'store',
      ...s.streams,
      '--dir',
      s.path('b'),
      '--name',
      'b',
      '--request-port',
      '0',
      '--rewind-port',
      '0',
    )
    await again.says('store: recording')
    t.equal((await again.stop()).status, 0, 'with another port it starts on the same directory')
  })

  await t.test('a store directory that belongs to another session', async (t) => {
    await s.store.stop()
    renameSync(s.path(`store/${s.session}`), s.path('store/SOMEBODY'))
    const renamed = await s.run([
      'store',
      ...s.streams.slice(2),
      '--session',
      'SOMEBODY',
      '--dir',
      s.stored,
      '--voter',
      'a',
    ])
    fails(t, renamed, 1, 'E_SESSION_FOREIGN', new RegExp(`belongs to session '${s.session}', not to 'SOMEBODY'`))
    renameSync(s.path('store/SOMEBODY'), s.path(`store/${s.session}`))
    const inside = await s.run(['store', ...s.streams, '--dir', s.path(`store/${s.session}`), '--voter', 'a'])
    fails(t, inside, 1, 'E_SESSION_FOREIGN', /is the recording of session/)
    const store = startStore(s)
    await store.says('store: recording')
    await send(t, 31)
    const tail = await s.run(['tail', ...s.streams, '--from', '1', '--proto', OMS_PROTO, '--json'])
    const keys = tail.lines.map((line) => JSON.parse(line)).filter(({ name }) => name === 'CancelRequested')
    t.strictSame(
      keys.map(({ payload }) => payload.key),
      Array.from({ length: 40 }, (_, i) => i + 1),
      'after all of it, every event is there',
    )
  })
})

test('interfaces and groups', async (t) => {
  const place = await stage(t)
  const roles = [['sequencer'], ['store', '--memory'], ['run', ORDER_MANAGER], ['tail']]
  await Promise.all(
    roles.map(async (role) => {
      const away = await place.run([...role, ...place.streams, '--interface', 'eth99'])
      fails(t, away, 2, 'E_INTERFACE', /no IPv4 interface 'eth99'/)
      const unicast = await place.run([...role, ...place.streams, '--event-group', '10.0.0.1:7000'])
      fails(t, unicast, 2, 'E_GROUP', /'10\.0\.0\.1' is not an IPv4 multicast group/)
    }),
  )
  const recordTo = ['record', '--dir', 'd', '--group']
  fails(t, await place.run([...recordTo, '192.168.0.1:70']), 2, 'E_GROUP', /not an IPv4 multicast group/)
  fails(t, await place.run([...recordTo, '239.1.1.1']), 2, 'E_GROUP', /not an IPv4 address and a port/)
  fails(t, await place.run([...recordTo, '239.1.1.1:70', '--interface', '9.9.9.9']), 2, 'E_INTERFACE', /9\.9\.9\.9/)
})
