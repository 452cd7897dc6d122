/** The committed modules are what their .proto files make. */
import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { generateModule } from '../../src/component/generate.js'

for (const name of ['oms', 'sms']) {
  test(`generated/${name}.ts is up to date`, async (t) => {
    const folder = `src/examples/${name}`
    const committed = readFileSync(`${folder}/generated/${name}.ts`, 'utf8')
    t.equal(committed, await generateModule(`${folder}/${name}.proto`), `run \`seqcast generate\` on ${name}.proto`)
  })
}
