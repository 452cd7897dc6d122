import { test } from 'tap'
import { beginInChain } from '../../src/cli/store-begin.js'
import { LmdbEventLog } from '../../src/store/lmdb-event-log.js'
import { recordSession } from '../store/chains.js'

test('a store begins before the newest session that has events, whatever the chain is called by', async (t) => {
  const directory = t.testdir()
  t.match(await beginInChain(directory, 'S1'), { session: 'S1', passed: new Map() })
  await recordSession(directory, { session: 'S1', successor: 'S2' })
  t.equal((await beginInChain(directory, 'S1')).session, 'S1', 'its successor is not here')
  const madeReady = await LmdbEventLog.open({ directory, session: 'S2' })
  await madeReady.close()
  t.equal((await beginInChain(directory, 'S1')).session, 'S1')
  for (const [session, successor] of [
    ['S2', 'S3'],
    ['S3', 'S4'],
  ] as const) {
    await recordSession(directory, { session, predecessor: 'S1', predecessorSequence: 2, successor })
  }
  const empty = await LmdbEventLog.open({ directory, session: 'S4' })
  await empty.close()
  const begin = await beginInChain(directory, 'S1')
  t.equal(begin.session, 'S2', 'S4 was only made ready: the end of S3 may not be stable')
  t.strictSame([...begin.passed], [['S1', 'S2']])
  t.equal((await beginInChain(directory, 'S3')).session, 'S3')
  t.equal((await beginInChain(directory, 'S4')).session, 'S3', 'of S4 there is nothing: it begins with the end of S3')
  await recordSession(directory, { session: 'S4', successor: 'S1' })
  t.ok((await beginInChain(directory, 'S1')).passed.size < 5, 'a circle makes no endless loop')
})

test('a session that nobody has begun is begun from the one that names it, and one that has begun tells of it', async (t) => {
  const directory = t.testdir()
  const sequence = await recordSession(directory, { session: 'S1', successor: 'S2' })
  await recordSession(directory, { session: 'ALONE' })
  t.equal((await beginInChain(directory, 'S2')).session, 'S1', 'nothing is there')
  t.equal((await beginInChain(directory, 'ALONE')).session, 'ALONE')
  t.equal((await beginInChain(directory, 'NEW')).session, 'NEW', 'nobody names it')
  const madeReady = await LmdbEventLog.open({ directory, session: 'S2' })
  await madeReady.close()
  t.equal((await beginInChain(directory, 'S2')).session, 'S1', 'it was made ready')
  await recordSession(directory, { session: 'S3', predecessor: 'S1', predecessorSequence: sequence })
  const begin = await beginInChain(directory, 'S3')
  t.equal(begin.session, 'S3')
  t.strictSame([...begin.passed], [['S1', 'S3']], 'who is told the first one is led to it')
  await recordSession(directory, { session: 'S4', predecessor: 'S3', predecessorSequence: 2 })
  t.strictSame([...(await beginInChain(directory, 'S4')).passed].sort(), [
    ['S1', 'S3'],
    ['S3', 'S4'],
  ])
})
