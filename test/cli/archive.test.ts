/** The archive's tools on what a real store recorded: list, check, convert there and back. */
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { cancels, OMS_PROTO, stage, startSystem } from '../fixtures/processes.js'

test('list, check and convert a recorded session', async (t) => {
  const s = await startSystem(t)
  const sent = await s.run(['send', ...s.streams, '--proto', OMS_PROTO], cancels(1, 3_000))
  t.equal(sent.status, 0, sent.stderr)
  const held = await s.run(['sessions', '--dir', s.stored, '--json'])
  t.match(JSON.parse(held.lines[0] ?? ''), { session: s.session, lastSequence: 3_002, heldByPid: s.store.child.pid })
  t.equal((await s.run(['admin', 'end-session', ...s.streams])).status, 0)
  await s.sequencer.result()
  t.equal((await s.store.stop()).status, 0, 'the store stops in order')
  const of = ['--dir', s.stored, '--session', s.session]

  await t.test('sessions and verify', async (t) => {
    const listed = await s.run(['sessions', '--dir', s.stored, '--json'])
    t.match(JSON.parse(listed.lines[0] ?? ''), { kind: 'events', firstSequence: 1, lastSequence: 3_003, ended: true })
    t.match((await s.run(['sessions', '--dir', s.stored])).lines[1], new RegExp(`^${s.session} .* 3,003 .* complete$`))
    const verified = await s.run(['verify', '--dir', s.stored])
    t.equal(verified.status, 0)
    t.match(verified.lines[0], /events 1 to 3003 .* clean$/)
  })

  for (const extension of ['bin', 'jsonl', 'pcap']) {
    await t.test(`${extension}: there and back, byte for byte`, async (t) => {
      const exported = await s.run(['export', ...of, '--out', `out.${extension}`])
      t.equal(exported.status, 0, exported.stderr)
      t.match(exported.lines[0], /^3,003 events \(1 to 3003\)/)
      const into = ['--dir', `copy-${extension}`]
      const imported = await s.run([
        ...['import', ...into, '--input', `out.${extension}`, '--json'],
        ...(extension === 'pcap' ? [] : ['--session', s.session]),
      ])
      t.equal(imported.status, 0, imported.stderr)
      t.match(JSON.parse(imported.lines[0] ?? ''), { session: s.session, kind: 'events', events: 3_003 })
      const verified = await s.run(['verify', ...into, '--json'])
      t.match(JSON.parse(verified.lines[0] ?? ''), { events: 3_003, problemCount: 0 }, verified.stderr)
      const [original, copy] = await Promise.all([
        s.run(['export', ...of, '--format', 'binaryfile']),
        s.run(['export', ...into, '--session', s.session, '--format', 'binaryfile']),
      ])
      t.equal(original.stdout.length > 3_000 * 20, true)
      t.ok(original.stdout.equals(copy.stdout), 'the same bytes')
      const twice = await s.run([...['import', ...into, '--input', `out.${extension}`], ...['--session', s.session]])
      t.strictSame([twice.status, twice.code], [1, 'E_SESSION_EXISTS'])
    })
  }

  await t.test('a part, by sequences and by times, decoded', async (t) => {
    const jsonl = [...of, '--format', 'jsonl', '--proto', OMS_PROTO]
    const part = await s.run(['export', ...jsonl, '--from-seq', '100', '--to-seq', '102'])
    const events = part.lines.map((line) => JSON.parse(line))
    t.strictSame(
      events.map(({ sequence, name, data }) => [sequence, name, data.key]),
      [98, 99, 100].map((key) => [key + 2, 'CancelRequested', key]),
    )
    const all = (await s.run(['export', ...jsonl])).lines.map((line) => JSON.parse(line))
    const timeUs = (event: { timeNs: string }): number => Math.floor(Number(BigInt(event.timeNs) / 1000n))
    const from = timeUs(all[1_500])
    const to = timeUs(all[2_500])
    const wanted = all.filter((event) => timeUs(event) >= from && timeUs(event) <= to).map(({ sequence }) => sequence)
    const timed = await s.run(['export', ...jsonl, '--from-time', String(from), '--to-time', String(to)])
    t.strictSame(
      timed.lines.map((line) => JSON.parse(line).sequence),
      wanted,
    )
    const iso = await s.run(['export', ...jsonl, '--from-time', '2120-01-01T00:00:00Z'])
    t.strictSame([iso.status, iso.stdout.length], [0, 0], 'no event is of that time')
    const both = await s.run(['export', ...jsonl, '--from-time', '2020-01-01', '--from-seq', '1'])
    t.strictSame([both.status, both.code], [2, 'E_USAGE'])
    const noTime = await s.run(['export', ...jsonl, '--to-time', 'noon'])
    t.strictSame([noTime.status, noTime.code], [2, 'E_CONFIG'])
  })

  await t.test('damage is found, and named', async (t) => {
    const file = join(s.stored, s.session, 'data.mdb')
    const bytes = readFileSync(file)
    // More than once, where lmdb has written its page again: the older copies are read by nobody.
    const cancel = Buffer.from('CAEQBw==', 'base64')
    t.ok(bytes.includes(cancel), 'the first cancel is in the file')
    for (let at = bytes.indexOf(cancel); at >= 0; at = bytes.indexOf(cancel, at)) bytes[at] = 0x18
    writeFileSync(file, bytes)
    const verified = await s.run(['verify', '--dir', s.stored, '--json'])
    t.strictSame([verified.status, verified.code], [1, 'E_VERIFY'])
    const { problems } = JSON.parse(verified.lines[0] ?? '')
    t.equal(problems[0].sequence, 3, 'the packet of that event')
  })
})

test('what is not there, and what can’t be read', async (t) => {
  const place = await stage(t)
  const none = await place.run(['sessions', '--dir', 'nowhere'])
  t.strictSame([none.status, none.code], [1, 'E_FILE'])
  const unknown = await place.run(['export', '--dir', place.directory, '--session', 'NOPE', '--format', 'jsonl'])
  t.strictSame([unknown.status, unknown.code], [1, 'E_SESSION_UNKNOWN'])
  const empty = await place.run(['verify', '--dir', place.directory])
  t.strictSame([empty.status, empty.code], [1, 'E_SESSION_UNKNOWN'])
  const format = await place.run(['export', '--dir', place.directory, '--session', 'NOPE'])
  t.strictSame([format.status, format.code], [2, 'E_USAGE'])
  const missing = await place.run(['import', '--dir', 'd', '--session', 'S', '--input', 'no.jsonl'])
  t.strictSame([missing.status, missing.code], [1, 'E_FILE'])
  t.notOk(readdirSync(place.directory).includes('d'), 'nothing was made')
})

test('a foreign BinaryFILE is imported as such; a truncated one up to the damage', async (t) => {
  const place = await stage(t)
  const record = (text: string): Buffer => Buffer.concat([Buffer.from([0, text.length]), Buffer.from(text)])
  writeFileSync(place.path('in.bin'), Buffer.concat([record('alpha'), record('beta'), record('gamma')]))
  const imported = await place.run(['import', '--dir', 'd', '--session', 'FOREIGN', '--input', 'in.bin', '--json'])
  t.equal(imported.status, 0, imported.stderr)
  t.match(JSON.parse(imported.lines[0] ?? ''), { kind: 'opaque', events: 3, ended: false })
  truncateSync(place.path('in.bin'), 15)
  const cut = await place.run(['import', '--dir', 'd', '--session', 'CUT', '--input', 'in.bin'])
  t.strictSame([cut.status, cut.code], [1, 'E_FILE_FORMAT'])
  t.match(cut.stderr, /in\.bin, byte 13: truncated-length|in\.bin, byte 13/)
  const kept = await place.run(['export', '--dir', 'd', '--session', 'CUT', '--format', 'jsonl'])
  t.strictSame(
    kept.lines.map((line) => Buffer.from(JSON.parse(line).message, 'base64').toString()),
    ['alpha', 'beta'],
  )
})
