/** Modules of users that do not load, or not in time. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { loadExport } from '../../src/cli/modules.js'

test('a module that awaits what never comes is told of, and not waited for without end', async (t) => {
  const module = (name: string, text: string): string => {
    const path = join(t.testdirName, name)
    writeFileSync(path, text)
    return path
  }
  t.testdir()
  const never = module('never.mjs', 'export const component = await new Promise(() => {})')
  await t.rejects(loadExport(never, [], 'component', 20), { code: 'E_MODULE', message: /is not loaded after 0.02 s/ })
  const configured = module('configured.mjs', 'export const configure = () => new Promise(() => {})')
  await t.rejects(loadExport(configured, [], 'component', 20), { code: 'E_MODULE', message: /is not loaded after/ })
  const later = module('later.mjs', 'export const component = await new Promise((done) => setTimeout(done, 5, 7))')
  t.equal(await loadExport(later, [], 'component'), 7)
  const broken = module('broken.mjs', 'throw new Error("at the top")')
  await t.rejects(loadExport(broken, [], 'component'), { code: 'E_MODULE', message: /can't be loaded: at the top/ })
})
