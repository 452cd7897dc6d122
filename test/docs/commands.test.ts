/** Every `seqcast` command that a document prints exists, with every flag that it is printed with. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { execute, root } from './documents.js'

const DOCUMENTS = ['README.md', 'docs/OPERATING.md', 'docs/COMPONENTS.md', 'CONTRIBUTING.md']
const program = `node ${join(root, 'dist', 'src', 'cli', 'seqcast.js')}`

interface Printed {
  readonly names: readonly string[]
  readonly flags: readonly string[]
}

function printedIn(document: string): Printed[] {
  const text = readFileSync(join(root, document), 'utf8')
  return [...text.matchAll(/(?:npx |\| |`)seqcast ([a-z][^`#|\n]*)/g)].map(([, rest = '']) => {
    const words = rest.trim().split(/\s+/)
    const isGroup = words[0] === 'admin' || (words[0] === 'bench' && /^[a-z]/.test(words[1] ?? ''))
    const names = words.slice(0, isGroup ? 2 : 1)
    return { names, flags: words.filter((word) => word.startsWith('--')) }
  })
}

test('commands and flags', (t) => {
  const helps = new Map<string, string>()
  const helpOf = (command: string): string => {
    const known = helps.get(command) ?? execute(`${program} ${command} --help`, root)
    helps.set(command, known)
    return known
  }
  for (const document of DOCUMENTS) {
    const printed = printedIn(document)
    for (const { names, flags } of printed) {
      const help = helpOf(names.join(' '))
      t.ok(help.includes(`Usage: seqcast ${names.join(' ')}`), `${document}: ${names.join(' ')}`)
      for (const flag of flags)
        t.match(help, new RegExp(`(^|\\s)${flag}\\b`, 'm'), `${document}: ${names.join(' ')} ${flag}`)
    }
  }
  t.end()
})

test('scripts', (t) => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const document of DOCUMENTS) {
    const text = readFileSync(join(root, document), 'utf8')
    const printed = new Set([...text.matchAll(/npm run ([a-z-]+)/g)].map(([, name = '']) => name))
    for (const name of printed) t.ok(name in scripts, `${document}: npm run ${name}`)
  }
  t.end()
})
