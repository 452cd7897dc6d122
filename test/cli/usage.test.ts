/** What every command has in common: help, usage errors, the configuration file; and `generate`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { OMS_PROTO, stage } from '../fixtures/processes.js'

const GENERATED = fileURLToPath(new URL('../../../src/examples/oms/generated/oms.ts', import.meta.url))
const NAMES = ['demo', 'sequencer', 'store', 'run', 'generate', 'send', 'tail', 'record', 'sessions', 'verify'].concat([
  'retain',
  'export',
  'import',
  'replay',
  'status',
  'admin',
])

test('help names every command, and every command has help', async (t) => {
  const place = await stage(t)
  const help = await place.run(['--help'])
  t.equal(help.status, 0)
  for (const name of NAMES) t.match(help.stdout.toString(), new RegExp(`^  ${name}\\b`, 'm'))
  await Promise.all(
    NAMES.map(async (name) => {
      const own = await place.run([name, '--help'])
      t.equal(own.status, 0, name)
      t.match(own.lines[0], new RegExp(`^Usage: seqcast ${name}`))
      t.match(own.stdout.toString(), new RegExp(`\\nExamples?:\\n  seqcast ${name}`))
    }),
  )
})

test('help: a command’s own options first, faults only where they are played', async (t) => {
  const place = await stage(t)
  const [send, status] = await Promise.all([place.run(['send', '--help']), place.run(['status', '--help'])])
  t.match(send.stdout.toString(), /Options:[\s\S]*--rate[\s\S]*Streams:[\s\S]*--event-group[\s\S]*Faults:[\s\S]*--loss/)
  t.match(status.stdout.toString(), /Options:[\s\S]*--check[\s\S]*Streams:/)
  t.notMatch(status.stdout.toString(), /--loss/)
})

test('a module that is not compiled', async (t) => {
  const place = await stage(t)
  writeFileSync(place.path('limit-watch.ts'), 'export const component = 1 as number\n')
  const typescript = await place.run(['run', 'limit-watch.ts'])
  t.strictSame([typescript.status, typescript.code], [1, 'E_MODULE'])
  t.match(typescript.stderr, /TypeScript, which has to be compiled first\n.*npx tsc.*seqcast run limit-watch\.js/)
  const other = await place.run(['run', 'limit-watch.txt'])
  t.match(other.stderr, /does not exist\n.*a module is a JavaScript file/)
})

test('wrong usage ends with 2, and says what is wrong', async (t) => {
  const place = await stage(t)
  const wrong: [string[], RegExp][] = [
    [['sned'], /unknown command 'sned'[\s\S]*send/],
    [['tail', '--form', '1'], /unknown option '--form'[\s\S]*--from/],
    [['tail', '--from', 'x'], /--from is "x", and must be a whole number from 1 on/],
    [['tail', '--from', '0'], /--from is "0", and must be a whole number from 1 on/],
    [['tail', '--count', '0'], /--count is "0", and must be a whole number from 1 on/],
    [['tail', '--type', 'Forgotten'], /--type Forgotten is no event of the runtime[\s\S]*Activated/],
    [['send', '--rate', '-1'], /--rate is "-1", and must be a number above 0/],
    [['sequencer', '--datagram', '99999'], /--datagram is "99999", and must be a whole number from 256 to 65507/],
    [['sequencer', '--request-port', '70000'], /--request-port is "70000", .* from 0 to 65535/],
    [['run', 'x.js', '--loss', '2'], /--loss is "2", and must be a probability from 0 to 1/],
    [['demo', '--kill', 'nosuch'], /the demo has no process 'nosuch'[\s\S]*sequencer, store-a, store-b, client-proxy/],
    [['demo', '--kill', 'store-a@7'], /'7' is not a part of the input/],
    [['status', '--session', 'not one'], /session 'not one' is not 1 to 10 letters and digits/],
    [['status', '--event-group', '239.1.1.1:7', '--control-group', '239.1.1.1:7'], /must not share a group and port/],
    [['store', '--stores', 'here'], /'here' is not ADDRESS:REQUESTPORT:REWINDPORT/],
    [['store'], /a store needs a directory/],
    [['record', '--dir', 'd'], /required option '--group/],
    [['verify'], /required option '--dir/],
    [['bench', 'store', '--nope'], /unknown option '--nope'\n\(see --help\)/],
    [['admin', 'activate'], /missing required argument 'component'/],
  ]
  await Promise.all(
    wrong.map(async ([args, words]) => {
      const result = await place.run(args)
      t.equal(result.status, 2, args.join(' '))
      t.match(result.stderr, words)
      t.equal(result.stdout.length, 0, 'stdout is for results')
    }),
  )
})

test('a configuration file: its names are checked, flags win over it', async (t) => {
  const place = await stage(t)
  const configure = (text: string): void => writeFileSync(place.path('c.json'), text)
  configure('{"session": "BAD ONE", "from": 3}')
  const bad = await place.run(['tail', '--config', 'c.json'])
  t.strictSame([bad.status, bad.code], [2, 'E_CONFIG'])
  const { groups, session } = place
  configure(JSON.stringify({ session: 'OTHER', controlGroup: groups.control, logLevel: 'silent' }))
  const file = await place.run(['status', '--config', 'c.json'])
  t.match(file.stderr, `nobody of session OTHER was heard on ${groups.control}`)
  const flag = await place.run(['status', '--config', 'c.json', '--session', session])
  t.match(flag.stderr, `nobody of session ${session} was heard on ${groups.control}`)
  for (const [text, words] of [
    ['{"sesion": "S"}', /unknown field: sesion/],
    ['{"datagram": "big"}', /'datagram' of the configuration file is "big", and must be a whole number/],
    ['[]', /is not a JSON object/],
    ['{', /cannot read the configuration file/],
  ] as const) {
    configure(text)
    const result = await place.run(['status', '--config', 'c.json'])
    t.strictSame([result.status, result.code], [2, 'E_CONFIG'])
    t.match(result.stderr, words)
  }
})

test('generate makes the typed module', async (t) => {
  const place = await stage(t)
  const expected = readFileSync(GENERATED, 'utf8')
  const printed = await place.run(['generate', OMS_PROTO])
  t.equal(printed.status, 0, printed.stderr)
  t.equal(printed.stdout.toString(), expected)
  const written = await place.run(['generate', OMS_PROTO, '--out', 'generated/deep/oms.ts'])
  t.equal(written.status, 0, written.stderr)
  t.equal(readFileSync(place.path('generated/deep/oms.ts'), 'utf8'), expected)

  writeFileSync(place.path('bad.proto'), 'syntax = "proto3";\nmessage A {\n  uint32 = 1;\n}\n')
  const bad = await place.run(['generate', 'bad.proto', '--out', 'bad.ts'])
  t.strictSame([bad.status, bad.code], [1, 'E_SCHEMA'])
  t.match(bad.stderr, /bad\.proto:3: /)
  const none = await place.run(['generate', 'none.proto'])
  t.strictSame([none.status, none.code], [1, 'E_FILE'])
  const blocked = await place.run(['generate', OMS_PROTO, '--out', 'bad.proto/oms.ts'])
  t.strictSame([blocked.status, blocked.code], [1, 'E_FILE'])
})

test('a directory that is not there is no directory without sessions', async (t) => {
  const place = await stage(t)
  writeFileSync(place.path('a-file'), '')
  for (const command of [['sessions'], ['verify'], ['verify', '--session', 'S1'], ['retain', '--older-than', '1d']]) {
    const missing = await place.run([...command, '--dir', 'nowhere'])
    t.strictSame([missing.status, missing.code], [1, 'E_FILE'], command.join(' '))
    t.match(missing.stderr, /nowhere does not exist\n.*give the directory that the store was started with/)
    const file = await place.run([...command, '--dir', 'a-file'])
    t.strictSame([file.status, file.code], [1, 'E_FILE'], command.join(' '))
    t.match(file.stderr, /a-file can't be read: ENOTDIR.*\n.*give the directory/)
  }
})
