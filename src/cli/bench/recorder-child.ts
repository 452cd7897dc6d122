/**
 * Another process's environment: records a session, keeps it open as a store does, and serves it over SoupBinTCP.
 */
import { silentLogger } from '../../core/log.js'
import { DutyCycle } from '../../runtime/duty-cycle.js'
import { systemPlatform } from '../../runtime/platform.js'
import { RewindListener } from '../../runtime/rewind-listener.js'
import { LmdbEventLog } from '../../store/lmdb-event-log.js'
import { childArgument, tellParent } from './children.js'
import { type RecordingOptions, recordFills } from './recording.js'

const { directory, session, ...options } = childArgument<RecordingOptions & { directory: string; session: string }>()
const log = await LmdbEventLog.open({ directory, session })
const events = await recordFills(log, options)
const cycle = new DutyCycle(systemPlatform(), 'block')
cycle.start()
const listener = await RewindListener.open({ address: '127.0.0.1', port: 0 }, cycle, silentLogger)
listener.serve(log.session, log)
tellParent({ events, port: listener.port })
