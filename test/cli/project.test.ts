/** What `seqcast project` says where something is not right. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { stage } from '../fixtures/processes.js'
import { recordLedger } from '../projection/ledger-recording.js'

const BALANCES = fileURLToPath(new URL('../../src/examples/ledger/balances.js', import.meta.url))

test('what can go wrong', { timeout: 120_000 }, async (t) => {
  const place = await stage(t)
  const dir = place.path('data')
  const project = (...flags: string[]) => place.run(['project', BALANCES, ...flags])
  await recordLedger({ directory: dir, session: 'S1', seed: 1, events: 300 })
  await recordLedger({ directory: dir, session: 'OPEN', seed: 1, events: 300, voters: ['a', 'b', 'c'], ended: false })
  await recordLedger({ directory: dir, session: 'FREE', seed: 1, events: 300, ended: false })
  const table = ['--to', 'lmdb:tables']
  const recorded = ['--dir', 'data', '--session', 'S1']

  const cases: readonly (readonly [string, readonly string[], string, RegExp])[] = [
    ['no place', recorded, '', /required option '--to/],
    [
      'another database',
      ['--to', 'mysql://me:secret@db', ...recorded],
      'E_CONFIG',
      /^(?![\s\S]*secret)[\s\S]*no place for a projection/,
    ],
    ['a range of what is live', [...table, '--from-seq', '5'], 'E_USAGE', /a range is a part of a recording/],
    ['rows that are not there', [...table, '--print'], 'E_PROJECTION', /there is no projection ledger/],
    ['an unknown session', [...table, '--dir', 'data', '--session', 'NONE'], 'E_SESSION_UNKNOWN', /NONE/],
    [
      'what may not be stable',
      [...table, '--dir', 'data', '--session', 'OPEN'],
      'E_PROJECTION',
      /which of its events are stable/,
    ],
    ['a range that is not recorded', [...table, ...recorded, '--to-seq', '99999'], 'E_SEQUENCE_PAST_END', /99999/],
    [
      'rows of a server that is not there',
      ['--to', 'postgres://nobody@127.0.0.1:1/x', '--print'],
      'E_DATABASE',
      /can't be reached: .*ECONNREFUSED[\s\S]*check host and port/,
    ],
    ['a server that is not known', ['--to', 'postgres://db.invalid/x', ...recorded], 'E_DATABASE', /db\.invalid/],
  ]
  for (const [what, flags, code, says] of cases) {
    const result = await project(...flags)
    t.equal(result.code, code, `${what}: ${result.stderr}`)
    t.match(result.stderr, says, what)
    t.notMatch(result.stderr, /\n {4}at /, `${what}: no stack`)
    t.not(result.status, 0)
  }
  writeFileSync(place.path('other.mjs'), 'export const component = {}')
  const other = await place.run(['project', 'other.mjs', ...table, ...recorded])
  t.match([other.code, other.stderr], ['E_MODULE', /exports neither `projection` nor `configure`/])

  const free = await project(...table, '--dir', 'data', '--session', 'FREE', '--json')
  t.match(JSON.parse(free.lines[0] ?? ''), { projection: 'ledger', session: 'FREE', reconnects: 0, swapped: false })
  t.equal((await project('--to', 'lmdb:open', '--dir', 'data', '--session', 'OPEN', '--as-recorded')).status, 0)
  t.equal((await project(...table, '--print', 'nothing')).code, 'E_USAGE')
  const accounts = await project(...table, '--print', 'accounts')
  t.equal(accounts.lines.length, 20)
  t.match(JSON.parse(accounts.lines[0] ?? ''), { table: 'accounts', account: 'A-0' })
  const wrong = await project(...table, ...recorded)
  t.match([wrong.code, wrong.stderr], ['E_PROJECTION', /does not lead to S1[\s\S]*--reset/])
  const reset = await project(...table, ...recorded, '--reset')
  t.equal(reset.status, 0)
  t.match(reset.lines.at(-1), /^ledger is at event \d+ of session S1: \d+ events in \d+ transactions?; swapped$/)

  const rowsOf = async (to: string) =>
    (await project('--to', to, '--print', 'entries')).lines.map((line) => JSON.parse(line))
  const all = await rowsOf('lmdb:tables')
  const middle = all[Math.floor(all.length / 2)].at
  const part = await project('--to', 'lmdb:part', ...recorded, '--to-time', String(middle))
  t.equal(part.status, 0, part.stderr)
  t.strictSame(
    await rowsOf('lmdb:part'),
    all.filter(({ at }) => at <= middle),
    'a range of time',
  )
  const rest = await project('--to', 'lmdb:part', ...recorded, '--from-time', String(middle - 1_000_000))
  t.equal(rest.status, 0, rest.stderr)
  t.strictSame(await rowsOf('lmdb:part'), all, 'and the rest, overlapping: each entry once')
})
