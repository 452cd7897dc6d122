/** A state that is larger than the heap of its process: with files it fits, and a restart goes on where they are. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { scratchDirectory } from '../store/recordings.js'

const CHILD = fileURLToPath(new URL('../fixtures/large-heap-child.js', import.meta.url))
const ACCOUNTS = '40000'

test('a state larger than the heap', (t) => {
  const directory = scratchDirectory()
  t.teardown(() => directory.remove())
  const play = (heapMB: string, files: string, events: string): { status: number | null; said: string } => {
    // tap has every Node process that a test starts load its hooks, by NODE_OPTIONS: 6 MB of this heap.
    const node = ['-u', 'NODE_OPTIONS', process.execPath, `--max-old-space-size=${heapMB}`]
    const { status, stdout } = spawnSync('env', [...node, CHILD, files, ACCOUNTS, events, '10000'], {
      encoding: 'utf8',
    })
    return { status, said: stdout }
  }
  const first = play('20', directory.path, '45000')
  t.equal(first.status, 0)
  t.match(JSON.parse(first.said), { begun: 1, size: 40_000 })
  const again = play('20', directory.path, '52000')
  t.equal(again.status, 0)
  t.match(JSON.parse(again.said), { begun: 40_001, size: 40_000 })
  const scratch = play('20', 'scratch', '52000')
  t.equal(scratch.status, 0, 'a tool has files for as long as it runs')
  t.equal(JSON.parse(scratch.said).digest, JSON.parse(again.said).digest)
  t.end()
})
