/** A child process that takes the files of a large map from one event to the next until it is killed. Argument: the directory. */
import { writeSync } from 'node:fs'
import { silentLogger } from '../../src/core/log.js'
import { LargeStore } from '../../src/store/large-store.js'
import { checkpointAt, rowsAt } from './large-rows.js'

const [directory = ''] = process.argv.slice(2)
const owner = { session: 'S1', component: 'archive', instance: 'killed' }
const store = await LargeStore.open(directory, owner, silentLogger)
for (let sequence = (store.header?.sequence ?? 0) + 1; ; sequence++) {
  store.commit(rowsAt(sequence), checkpointAt(sequence))
  writeSync(1, `${sequence}\n`)
}
