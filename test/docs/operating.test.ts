/** The operating guide knows every error code, with its exit status, and no other. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { ERROR_CODES } from '../../src/core/errors.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')

test('the table of errors is the code’s', (t) => {
  const text = readFileSync(join(root, 'docs', 'OPERATING.md'), 'utf8')
  const rows = [...text.matchAll(/^\| (E_[A-Z_]+) \| (\d) \|/gm)].map((row) => [row[1], Number(row[2])])
  t.strictSame(Object.fromEntries(rows), { ...ERROR_CODES })
  t.end()
})
