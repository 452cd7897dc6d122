/**
 * A child process of the store's tests: records events into a session and prints each durable sequence. Arguments:
 * directory, session, events (0: until killed), minimum of free bytes.
 */
import { writeSync } from 'node:fs'
import { LmdbEventLog } from '../../src/store/lmdb-event-log.js'
import { appendMessages, numberedEvents } from './recordings.js'

const [directory = '', session = '', events = '0', minFreeBytes = '0'] = process.argv.slice(2)
const limit = Number(events) || Number.POSITIVE_INFINITY
const log = await LmdbEventLog.open({ directory, session, minFreeBytes: Number(minFreeBytes) })
let failed = false
log.onDurable((sequence) => writeSync(1, `durable ${sequence}\n`))
log.onFailure((error) => {
  failed = true
  const { code, fields } = error as Error & { code: string; fields: object }
  writeSync(1, `failure ${JSON.stringify({ code, message: error.message, ...fields })}\n`)
})
writeSync(1, `open ${log.lastHolder} ${log.nextSequence}\n`)
while (!failed && log.nextSequence <= limit) {
  for (let i = 0; i < 20 && log.nextSequence <= limit && log.pendingPackets < 1000; i++) {
    appendMessages(log, numberedEvents(log.nextSequence, Math.min(3, limit - log.nextSequence + 1)), Date.now() * 1000)
  }
  await new Promise((resolve) => setImmediate(resolve))
}
await log.close()
writeSync(1, `closed ${log.durableSequence}\n`)
