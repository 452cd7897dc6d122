/** The flags are V8's own, which no compiler checks: a version that does not know one says so on stderr. */
import { spawnSync } from 'node:child_process'
import { test } from 'tap'

test('the flags are known to this version of node, and hold the young generation small', (t) => {
  const module = new URL('../../src/runtime/young-generation.js', import.meta.url).href
  const program = `
    const { keepYoungGenerationSmall } = await import(${JSON.stringify(module)})
    if (process.argv[1] === 'small') keepYoungGenerationSmall()
    const { getHeapSpaceStatistics } = await import('node:v8')
    let kept = []
    let most = 0
    for (let i = 0; i < 3_000_000; i++) {
      kept.push({ i })
      if (kept.length === 50_000) kept = []
      if (i % 10_000 === 0) {
        const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
        most = Math.max(most, space.space_size)
      }
    }
    console.log(most)`
  const measure = (mode: string): number => {
    const args = ['--input-type=module', '--eval', program, mode]
    const { stdout, stderr } = spawnSync(process.execPath, args, {
      env: { ...process.env, NODE_OPTIONS: '' },
      encoding: 'utf8',
    })
    t.equal(stderr, '', mode)
    return Number(stdout)
  }
  const small = measure('small')
  const usual = measure('usual')
  t.ok(small > 0 && small < usual / 2, `${small} bytes instead of ${usual}`)
  t.end()
})
