/** `npm run check`: format, lint and types. The layering is a test (test/layering.test.ts). */
import { join } from 'node:path'
import { ensureBuilt, root, run } from './build.js'

ensureBuilt()
run(process.execPath, [
  join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome'),
  'ci',
  '--error-on-warnings',
  '.',
])
run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.', '--noEmit'])
