/** The active replica is killed at every point once; `npm run test-kills` does it two hundred times. */
import { test } from 'tap'
import { judge } from './judge.js'
import { POINTS } from './points.js'
import { runKills } from './session.js'

test('an active replica is killed at every point: its successor owes nothing in the end, and nothing is there twice', async (t) => {
  const seed = 1 + Math.floor(Math.random() * 1_000_000)
  t.comment(`seed ${seed}`)
  const outcome = await runKills(t, { kills: POINTS.length, seed })
  const verdict = await judge(outcome)
  t.strictSame(verdict.problems, [])
  t.ok(outcome.takeovers.length >= POINTS.length, `${outcome.takeovers.length} kills`)
  t.ok(verdict.sentBySuccessors > 0, `${verdict.sentBySuccessors} commands sent by successors`)
  t.ok(verdict.effectsRepeated > 0, `${verdict.effectsRepeated} effects repeated`)
  t.comment(JSON.stringify(verdict))
  t.comment(outcome.takeovers.map(({ death, tookMs }) => `${death.point} ${tookMs.toFixed(0)} ms`).join(', '))
})
