/** Import of foreign files as a user meets them: flags for what a format lacks, compression, interruption; and retention. */
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type Test, test } from 'tap'
import { type Stage, stage } from '../fixtures/processes.js'
import { type CaptureStyle, captureFile, mold } from '../store/archive/captures.js'
import { dayUs, recordSession } from '../store/chains.js'

const texts = ['alpha', 'beta', 'gamma', 'delta'].map((text) => Buffer.from(text))
const plain: CaptureStyle = { file: 'pcapng-ns', littleEndian: true, link: 'vlan', ip: 6 }

const record = (text: Uint8Array): Buffer => Buffer.concat([Buffer.from([0, text.length]), text])
const lineOf = (line: string | undefined): Record<string, unknown> => JSON.parse(line ?? '{}')

async function exportedLines(place: Stage, dir: string, session: string): Promise<Record<string, unknown>[]> {
  const { lines } = await place.run(['export', '--dir', dir, '--session', session, '--format', 'jsonl'])
  return lines.map(lineOf)
}

test('what a BinaryFILE does not hold is given by flags', async (t) => {
  const place = await stage(t)
  writeFileSync(place.path('30122019.NASDAQ_ITCH50.gz'), gzipSync(Buffer.concat(texts.map(record))))
  const imported = await place.run([
    ...['import', '--dir', 'd', '--session', 'ITCH', '--input', '30122019.NASDAQ_ITCH50.gz', '--json'],
    ...['--first-seq', '101', '--received-at', '2019-12-30T14:30:00.000001Z', '--ended'],
  ])
  t.equal(imported.status, 0, imported.stderr)
  t.match(lineOf(imported.lines[0]), { kind: 'opaque', events: 4, firstSequence: 101, lastSequence: 104, ended: true })
  t.match(
    await exportedLines(place, 'd', 'ITCH'),
    texts.map((text, i) => ({
      sequence: 101 + i,
      receivedUs: Date.UTC(2019, 11, 30, 14, 30) * 1000 + 1,
      message: text.toString('base64'),
    })),
  )
  const sessions = await place.run(['sessions', '--dir', 'd', '--json'])
  t.match(lineOf(sessions.lines[0]), { ended: true, predecessor: '', successor: '' })
  const wrong = await place.run(['import', '--dir', 'd', '--session', 'X', '--input', 'x.bin', '--first-seq', '0'])
  t.strictSame([wrong.status, wrong.code], [2, 'E_CONFIG'])
})

test('a capture says what was left out, and a damaged one keeps what came before', async (t) => {
  const place = await stage(t)
  const timeNs = 1_577_716_200_000_000_789n
  const packets = [
    { payload: mold('FEED', 1, texts.slice(0, 2)), timeNs },
    { payload: mold('OTHER', 1, texts), timeNs },
    { payload: mold('FEED', 3, texts.slice(2)), timeNs: timeNs + 5n },
    { payload: mold('FEED', 5, 'end'), timeNs: timeNs + 9n },
  ]
  const file = captureFile(plain, packets)
  writeFileSync(place.path('feed.pcapng'), file)
  const imported = await place.run(['import', '--dir', 'd', '--input', 'feed.pcapng'])
  t.equal(imported.status, 0, imported.stderr)
  t.match(imported.lines[0], '4 events (1 to 4) imported as session FEED of a foreign stream')
  t.match(imported.lines[1], /1 other-session \(OTHER\)/)
  const [first, , third] = await exportedLines(place, 'd', 'FEED')
  t.match(first, { receivedUs: 1_577_716_200_000_000, receivedNs: 789 })
  t.match(third, { receivedNs: 794 })

  truncateSync(place.path('feed.pcapng'), file.length - 120)
  const cut = await place.run(['import', '--dir', 'cut', '--input', 'feed.pcapng'])
  t.strictSame([cut.status, cut.code], [1, 'E_FILE_FORMAT'])
  t.match(cut.stderr, /feed\.pcapng, byte \d+: the last frame is truncated/)
  t.ok((await exportedLines(place, 'cut', 'FEED')).length >= 2)
  t.strictSame(readdirSync(place.path('cut')), ['FEED'], 'nothing else is left')

  writeFileSync(place.path('none.pcap'), file.subarray(0, 60))
  const none = await place.run(['import', '--dir', 'none', '--session', 'N', '--input', 'none.pcap'])
  t.strictSame([none.status, none.code], [1, 'E_FILE_FORMAT'])
  t.notOk(existsSync(place.path('none')), 'nothing was made')
  const pipe = await place.run(['import', '--dir', 'd', '--session', 'P', '--format', 'jsonl', '--input', '/dev/null'])
  t.strictSame([pipe.status, pipe.code], [1, 'E_FILE'])
})

test('an import that is killed leaves nothing that passes for a session, and can be run again', async (t) => {
  const place = await stage(t)
  const many = Buffer.concat(Array.from({ length: 300_000 }, () => record(Buffer.alloc(200))))
  writeFileSync(place.path('many.bin'), many)
  const args = ['import', '--dir', 'd', '--session', 'MANY', '--input', 'many.bin']
  const running = place.start(...args)
  const beside = place.path(join('d', '.import-MANY', 'MANY', 'data.mdb'))
  while (!existsSync(beside)) await new Promise((resolve) => setTimeout(resolve, 5))
  running.child.kill('SIGSTOP')
  const twice = await place.run(args)
  t.strictSame([twice.status, twice.code], [1, 'E_STORE_HELD'])
  running.child.kill('SIGKILL')
  await running.result()
  t.match((await place.run(['sessions', '--dir', 'd'])).lines[0], /no session is recorded/)
  const again = await place.run([...args, '--json'])
  t.match(lineOf(again.lines[0]), { events: 300_000 }, again.stderr)
  t.strictSame(readdirSync(place.path('d')), ['MANY'])
})

test('retain: says of each session why it goes or stays', async (t) => {
  const place = await stage(t)
  await chainOf(t, place)
  const dry = await place.run(['retain', '--dir', 'd', '--older-than', '30d', '--dry-run'])
  t.equal(dry.status, 0, dry.stderr)
  t.match(dry.lines, [
    /session/,
    /^S1 .* would drop +older than/,
    /^S2 .* kept +pinned: audit/,
    /^S3 .* the newest/,
    /1 session/,
  ])
  t.equal(readdirSync(place.path('d')).length, 3)
  const done = await place.run(['retain', '--dir', 'd', '--larger-than', '1', '--json'])
  t.match(done.lines.map(lineOf), [
    { session: 'S1', drop: true, dropped: true, reason: /larger than the limit/ },
    { session: 'S2', drop: false, dropped: false, reason: 'pinned: audit' },
    { session: 'S3', drop: false, dropped: false },
  ])
  t.strictSame(readdirSync(place.path('d')).sort(), ['S2', 'S3', 'dropped.json'])
  const verified = await place.run(['verify', '--dir', 'd'])
  t.equal(verified.status, 0, verified.stderr)
  const listed = await place.run(['sessions', '--dir', 'd'])
  t.match(listed.lines, [/predecessor +successor$/, /^S2 .* complete +S1 +S3$/, /^S3 .* open +S2$/])
  for (const [flags, code] of [
    [[], 'E_USAGE'],
    [['--older-than', '5'], 'E_CONFIG'],
    [['--larger-than', 'much'], 'E_CONFIG'],
  ] as const) {
    const wrong = await place.run(['retain', '--dir', 'd', ...flags])
    t.strictSame([wrong.status, wrong.code], [2, code])
  }
})

async function chainOf(t: Test, place: Stage): Promise<void> {
  const dir = place.path('d')
  const first = await recordSession(dir, { session: 'S1', successor: 'S2' })
  const from = { predecessor: 'S1', predecessorSequence: first, successor: 'S3', startUs: dayUs(1) }
  const second = await recordSession(dir, { session: 'S2', ...from })
  await recordSession(dir, { session: 'S3', predecessor: 'S2', predecessorSequence: second, startUs: dayUs(2) })
  writeFileSync(join(dir, 'S2', 'keep'), 'audit')
  t.ok(readFileSync(join(dir, 'S2', 'keep')))
}

test('verify goes on after a session that can’t be opened, and names sessions that contradict each other', async (t) => {
  const place = await stage(t)
  const dir = place.path('d')
  await recordSession(dir, { session: 'A', successor: 'B' })
  await recordSession(dir, { session: 'B', predecessor: 'A', predecessorSequence: 99, startUs: dayUs(1) })
  await recordSession(dir, { session: 'C', startUs: dayUs(2) })
  writeFileSync(join(dir, 'C', 'session.json'), '{')
  const verified = await place.run(['verify', '--dir', 'd', '--json'])
  t.strictSame([verified.status, verified.code], [1, 'E_VERIFY'])
  t.match(verified.lines.map(lineOf), [
    { session: 'A', problemCount: 0 },
    { session: 'B', problems: [{ reason: 'chain', detail: /goes on from event 99 of A, of which 2/ }] },
    { session: 'C', problems: [{ reason: 'unreadable' }] },
  ])
  const one = await place.run(['verify', '--dir', 'd', '--session', 'A'])
  t.equal(one.status, 0)
})
