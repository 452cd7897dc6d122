/** The committed module is what its .proto file makes. */
import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { generateModule } from '../../src/component/generate.js'

test('generated/oms.ts is up to date', async (t) => {
  const committed = readFileSync('src/examples/oms/generated/oms.ts', 'utf8')
  t.equal(committed, await generateModule('src/examples/oms/oms.proto'), 'run `seqcast generate` on oms.proto')
})
