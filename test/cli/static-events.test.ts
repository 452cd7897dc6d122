/** The file of static events: what it may hold, and by what two sequencers know that they mean the same. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { readStaticEvents } from '../../src/cli/static-events.js'

const PROTO = `syntax = "proto3";
package p;
import "seqcast/options.proto";
message Facility { option (seqcast.type) = 300; string name = 1; }
`

test('names with a schema, or types in base64; the hash is that of types and payloads', async (t) => {
  const dir = t.testdir({ 'a.proto': PROTO, 'statics.jsonl': '{"name": "Facility", "payload": {"name": "north"}}\n\n' })
  const named = await readStaticEvents(join(dir, 'statics.jsonl'), join(dir, 'a.proto'))
  t.equal(named.events.length, 1)
  t.equal(named.events[0]?.type, 300)
  const write = (text: string): Promise<{ hash: string }> => {
    writeFileSync(join(dir, 'b.jsonl'), text)
    return readStaticEvents(join(dir, 'b.jsonl'), undefined)
  }
  const payload = Buffer.from(named.events[0]?.payload ?? []).toString('base64')
  t.equal((await write(`{"type": 300, "payload": "${payload}"}`)).hash, named.hash, 'however it is written')
  t.not((await write(`{"type": 301, "payload": "${payload}"}`)).hash, named.hash)
  const split = '{"type": 300, "payload": "AQ=="}\n{"type": 300, "payload": "Ag=="}'
  t.not((await write(split)).hash, (await write('{"type": 300, "payload": "AQI="}')).hash)
})

test('what is wrong is named with its line', async (t) => {
  const dir = t.testdir({
    'a.proto': PROTO,
    'unknown.jsonl': '{"name": "Facility", "payload": {"name": "north"}}\n{"name": "Route"}\n',
    'runtime.jsonl': '{"type": 9, "payload": ""}\n',
  })
  const read = (file: string): Promise<unknown> => readStaticEvents(join(dir, file), join(dir, 'a.proto'))
  await t.rejects(read('unknown.jsonl'), { code: 'E_SCHEMA', message: /unknown.jsonl:2/ })
  await t.rejects(read('runtime.jsonl'), {
    code: 'E_FILE_FORMAT',
    message: /runtime.jsonl:1: 9 is no application type/,
  })
  await t.rejects(read('missing.jsonl'), { code: 'E_FILE' })
})
