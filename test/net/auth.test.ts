/** Authentication tags: what was sealed opens, and nothing else does. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { Authenticator, readKeyFile } from '../../src/net/auth.js'

const key = new Uint8Array(32).fill(7)
const datagram = new Uint8Array(40).map((_, i) => i)

test('a sealed datagram opens to what it was', (t) => {
  const auth = new Authenticator(key, 'event')
  const sealed = auth.seal(datagram)
  t.equal(sealed.length, datagram.length + 16)
  t.strictSame(auth.open(sealed), datagram)
  t.end()
})

test('a seal adds as many bytes as it says', (t) => {
  for (const sealer of [new Authenticator(new Uint8Array(32), 'event'), new Authenticator(undefined, 'event')]) {
    t.equal(sealer.seal(new Uint8Array(100)).length, 100 + sealer.tagBytes)
  }
  t.end()
})

test('any other byte, length, key or stream does not open', (t) => {
  const auth = new Authenticator(key, 'event')
  const sealed = auth.seal(datagram)
  for (let i = 0; i < sealed.length; i++) {
    const changed = sealed.slice()
    changed[i] = (changed[i] ?? 0) ^ 1
    t.equal(auth.open(changed), undefined, `byte ${i}`)
    t.equal(auth.open(sealed.subarray(0, i)), undefined, `length ${i}`)
  }
  t.equal(new Authenticator(key, 'command').open(sealed), undefined, 'another stream')
  t.equal(new Authenticator(new Uint8Array(32).fill(8), 'event').open(sealed), undefined, 'another key')
  t.equal(auth.open(datagram), undefined, 'no tag')
  t.end()
})

test('without a key nothing is added and nothing is asked for', (t) => {
  const none = new Authenticator(undefined, 'event')
  t.equal(none.seal(datagram), datagram)
  t.equal(none.open(datagram), datagram)
  t.end()
})

test('a key file is read without its newline, and must be long enough', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'seqcast-key-'))
  const file = join(directory, 'key')
  writeFileSync(file, 'sixteen bytes ok\n')
  t.equal(Buffer.from(readKeyFile(file)).toString(), 'sixteen bytes ok')
  writeFileSync(file, 'short\n')
  t.throws(() => readKeyFile(file), { code: 'E_CONFIG', message: /5 bytes/ })
  t.throws(() => readKeyFile(join(directory, 'none')), { code: 'E_CONFIG' })
  t.end()
})
