/**
 * A model of claims under faults: whatever is lost, late, cut off, paused, crashed, or comes back without its disk (a minority
 * at a time), no epoch has two reigns, and what was stable is in the log of every later reign. When the faults end, somebody
 * reigns, new events become stable, and every voter votes.
 */
import { type Test, test } from 'tap'
import type { Mutant } from './claims-nodes.js'
import { runSeed, Violation } from './claims-run.js'

function runSeeds(t: Test, voters: number, seeds: number, exercised: readonly string[], withEtcd = false): void {
  const counts = new Map<string, number>()
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      runSeed(seed, voters, 'none', counts, withEtcd)
    } catch (error) {
      t.fail(`seed ${seed}, ${voters} voters: ${String(error)}`)
      if (!(error instanceof Violation)) throw error
    }
  }
  t.comment(Object.fromEntries(counts))
  for (const what of exercised) t.ok((counts.get(what) ?? 0) > 0, `${what} happened`)
  t.end()
}

const EXERCISED = ['reigns', 'stable events', 'truncations', 'adopted from own', 'adopted from store', 'suspicions']

const seeds = Number(process.env.CLAIMS_SEEDS ?? 12)

test('three voters', (t) => runSeeds(t, 3, seeds, [...EXERCISED, 'recovered voters']))
test('five voters', (t) => runSeeds(t, 5, seeds / 2, [...EXERCISED, 'recovered voters']))
test('one voter', (t) => runSeeds(t, 1, seeds / 4, ['reigns', 'stable events']))

test('three voters, chosen by an etcd that loses, repeats and forgets', (t) => {
  const exercised = ['elections', 'lost elections', 'unanswered calls', 'emptied etcd', 'restored etcd', 'garbage']
  runSeeds(t, 3, seeds, [...EXERCISED, ...exercised, 'etcd outages'], true)
})

test('the model notices what would be unsafe', (t) => {
  const mutants: readonly Mutant[] = ['promise-not-kept', 'fence-off', 'empty-votes']
  for (const mutant of mutants) {
    let caught = 0
    for (let seed = 1; seed <= 100 && caught === 0; seed++) {
      try {
        runSeed(seed, 3, mutant, new Map())
      } catch (error) {
        if (!(error instanceof Violation)) throw error
        caught = seed
      }
    }
    t.ok(caught > 0, `${mutant}: caught by seed ${caught}`)
  }
  t.end()
})
