/**
 * The sync precedes the acknowledgement. Kills can't show that, because the page cache survives them, so the system calls
 * of a recording child are traced: pages written, then synced, then the meta page through an O_DSYNC descriptor, and only then
 * `durable` is printed.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { lastNumber, startRecorder } from './children.js'
import { scratchDirectory } from './recordings.js'

type Disk = 'nothing-new' | 'pages-written' | 'pages-synced' | 'durable'

const traceable = spawnSync('strace', ['-f', 'true']).status === 0
const skip = traceable ? false : 'strace is absent or may not trace here: the order of system calls was not checked'
const scratch = scratchDirectory()
process.on('exit', () => scratch.remove())

/** Walks a trace of `strace -f -y`. @returns the state of the disk at each acknowledgement */
function statesAtAcknowledgements(trace: string): Disk[] {
  const unfinished = new Map<string, string>()
  const states: Disk[] = []
  let disk: Disk = 'nothing-new'
  for (const line of trace.split('\n')) {
    const [, thread = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    if (/^write\(1<.*"durable/.test(rest)) {
      states.push(disk)
      disk = 'nothing-new'
      continue
    }
    if (rest.includes('<unfinished')) {
      unfinished.set(thread, rest)
      continue
    }
    const call = rest.startsWith('<...') ? (unfinished.get(thread) ?? '') : rest
    const [, name = '', descriptor = ''] = /^(\w+)\((\d+)<[^>]*data\.mdb>/.exec(call) ?? []
    if (name === 'pwrite64' && call.includes(', 128, ')) {
      const synchronous = new RegExp(`O_DSYNC.* = ${descriptor}<`).test(trace)
      if (disk === 'pages-synced' && synchronous) disk = 'durable'
    } else if (/^(pwrite64|pwritev|writev|write)$/.test(name)) disk = 'pages-written'
    else if (/^f(data)?sync$/.test(name) && disk === 'pages-written') disk = 'pages-synced'
  }
  return states
}

test('the sync precedes the acknowledgement', { skip }, async (t) => {
  const file = join(scratch.path, 'trace')
  const calls = 'trace=write,writev,pwrite64,pwritev,fdatasync,fsync,openat'
  const strace = ['strace', '-f', '-y', '-e', calls, '-o', file]
  const child = startRecorder([scratch.path, 'TRACED', '600'], strace)
  await child.over
  t.equal(lastNumber(child, 'closed'), 600)
  const states = statesAtAcknowledgements(readFileSync(file, 'utf8'))
  t.ok(states.length > 1, 'several transactions were traced')
  t.strictSame(
    states,
    states.map(() => 'durable'),
  )
})

test('the walk over a trace sees an acknowledgement that comes too early', (t) => {
  const open = '1 openat(AT_FDCWD, "/d/data.mdb", O_WRONLY|O_DSYNC) = 20</d/data.mdb>'
  const pages = '2 writev(19</d/data.mdb>, [{...}], 2) = 16384'
  const sync = ['2 fdatasync(19</d/data.mdb> <unfinished ...>', '2 <... fdatasync resumed>) = 0']
  const meta = '2 pwrite64(20</d/data.mdb>, ""..., 128, 40) = 128'
  const ack = '1 write(1<pipe:[1]>, "durable 6\\n", 10) = 10'
  const walk = (lines: string[]): Disk[] => statesAtAcknowledgements([open, ...lines].join('\n'))
  t.strictSame(walk([pages, ...sync, meta, ack]), ['durable'])
  t.strictSame(walk([pages, ...sync.slice(0, 1), ack]), ['pages-written'])
  t.strictSame(walk([pages, ...sync, ack, meta]), ['pages-synced'])
  t.strictSame(walk([pages, ack, ...sync, meta]), ['pages-written'])
  t.strictSame(walk([pages, meta, ack]), ['pages-written'])
  t.end()
})
