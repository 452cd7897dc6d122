/** Two rollovers on real processes, with a kill at each; `npm run test-rollover` does many, with three voters, at every point. */
import { test } from 'tap'
import { runDays } from './days.js'
import { judge } from './judge.js'

test('three sessions in a row, with kills at each rollover: complete and continuous histories', async (t) => {
  const seed = 1 + Math.floor(Math.random() * 1_000_000)
  t.comment(`seed ${seed}`)
  const outcome = await runDays(t, {
    voters: ['a'],
    sequencers: 1,
    replicas: { scanner: 1, shipments: 2, router: 1, notifier: 1 },
    sessions: 3,
    kills: 1,
    seed,
    rate: 300,
    onDeath: ({ name, point }, session) => t.comment(`${session}: ${name} ${point || 'killed'}`),
  })
  const verdict = await judge(outcome)
  t.strictSame(verdict.problems, [])
  t.ok(verdict.shipments.scans > 100, `${verdict.shipments.scans} scans`)
  for (const { session, carried } of verdict.shipments.sessions.slice(1))
    t.ok(carried > 0, `${session} carried ${carried}`)
  const [, ...overMany] = verdict.shipments.histories
  t.ok(
    overMany.some((shipments) => shipments > 0),
    'shipments whose history lies in more than one session',
  )
  t.ok(verdict.digestsVerified > 0, `${verdict.digestsVerified} digests verified`)
  const { problems: _, ...figures } = verdict
  t.comment(JSON.stringify(figures))
})
