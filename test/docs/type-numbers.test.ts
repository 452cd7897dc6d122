/** Whoever follows README and guide runs their components in one session, where each type number may mean one message only. */
import { test } from 'tap'
import { blocksOf } from './documents.js'

test('no two messages of README and guide share a type number', (t) => {
  const blocks = ['README.md', 'docs/COMPONENTS.md'].flatMap((document) => blocksOf(document, 'proto'))
  const messages = new Map<string, string>()
  for (const block of blocks) {
    for (const [, name = '', type = ''] of block.matchAll(/message (\w+) \{\s*option \(seqcast\.type\) = (\d+);/g)) {
      t.equal(messages.get(type), undefined, `${type} of ${name}`)
      messages.set(type, name)
    }
  }
  t.ok(messages.size >= 8, 'they were found')
  t.end()
})
