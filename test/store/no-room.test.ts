/** A disk without room for another environment of lmdb, which maps the file of its locks before the disk has room for it. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { LmdbEventLog } from '../../src/store/lmdb-event-log.js'

const OPENER = fileURLToPath(new URL('./opener.js', import.meta.url))

test('a session is not begun where what is kept free is not there, and nothing of it is left', async (t) => {
  const directory = t.testdir()
  const session = 'S2'
  const opened = LmdbEventLog.open({ directory, session, minFreeBytes: Number.MAX_SAFE_INTEGER })
  await t.rejects(opened, { code: 'E_STORE_FULL', message: /No space left: \d+ bytes free/, hint: /free some space/ })
  t.notOk(existsSync(join(directory, session)), 'it is not taken for a session that has begun')

  const log = await LmdbEventLog.open({ directory, session })
  await log.close()
  const again = await LmdbEventLog.open({ directory, session, minFreeBytes: Number.MAX_SAFE_INTEGER })
  await again.close()
  t.pass('one that is there can be opened, to be served')
})

test('on a disk that is full opening is an error with the reason, and no fault of the process', (t) => {
  const { NODE_OPTIONS: _, ...env } = process.env
  // In namespaces of its own, so that it needs no rights.
  const onDisk = (
    freeKiB: number,
  ): { status: number | null; signal: string | null; stdout: string; stderr: string } => {
    const script = 'mount -t tmpfs -o size="$1"k none "$2" && exec "$3" "$4" "$2"'
    const args = ['-rm', 'sh', '-c', script, 'sh', String(freeKiB), t.testdir(), process.execPath, OPENER]
    return spawnSync('unshare', args, { env, encoding: 'utf8' })
  }
  const able = onDisk(65_536)
  if (able.status !== 0) {
    t.comment(`can't be tried here: ${able.stderr}`)
    t.end()
    return
  }
  t.match(able.stdout, /^opened\nopened\n$/)
  for (const freeKiB of [8, 12, 20, 40]) {
    const { status, signal, stdout } = onDisk(freeKiB)
    t.match({ status, signal }, { status: 0, signal: null }, `${freeKiB} KiB`)
    t.match(stdout, /^(E_STORE_FULL .*No space left.*\n){2}$/, `${freeKiB} KiB`)
  }
  t.end()
})
