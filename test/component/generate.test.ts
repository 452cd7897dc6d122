import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'tap'
import { generateModule } from '../../src/component/generate.js'
import { loadSchemaFile } from '../../src/component/proto-file.js'
import { SAMPLE_PROTO } from './sample-proto.js'

const HEADER = 'syntax = "proto3";\npackage p;\nimport "seqcast/options.proto";\n'
const EVENT = 'message A { option (seqcast.type) = 256; uint32 a = 1; }\n'

test('the module of a schema', async (t) => {
  const directory = t.testdir({ 'order-flow.proto': SAMPLE_PROTO })
  const text = await generateModule(join(directory, 'order-flow.proto'))
  t.equal(await generateModule(join(directory, 'order-flow.proto')), text, 'the same every time')
  for (const part of [
    "import { defineSchema, type Schema } from 'seqcast'",
    "/** Which way an order goes. */\nexport type Side = 'BUY' | 'SELL' | 'SHORT'\n",
    "/**\n * An order\n * that waits.\n */\nexport interface OrderPending {\n  /** the client's */\n  orderId: number\n",
    '  tag: Uint8Array\n  note?: string | undefined\n',
    '  legs: Map<string, OrderPendingLeg>\n  byNumber: Map<number, string>\n  mainLeg?: OrderPendingLeg | undefined\n',
    '  filled?: number | undefined\n  refusal?: string | undefined\n',
    'export interface OrderPendingLeg {\n  shares: number\n  side: Side\n',
    'export type Nothing = Record<string, never>\n',
    'export interface OrderFlowMessages {\n  OrderPending: OrderPending\n  Nothing: Nothing\n  Quote: Quote\n}',
    'export const schema: Schema<OrderFlowMessages> = defineSchema<OrderFlowMessages>({',
  ]) {
    t.ok(text.includes(part), part)
  }
  t.strictSame(text.match(/from '[^']+'/g), ["from 'seqcast'"], 'imports nothing else')
})

test('the modules of the examples are up to date', (t) => {
  const root = process.cwd()
  t.doesNotThrow(() =>
    execFileSync(process.execPath, [join(root, 'scripts/generate-examples.js'), '--check'], { stdio: 'pipe' }),
  )
  t.end()
})

test('a schema of several files', async (t) => {
  const directory = t.testdir({
    'main.proto': `${HEADER}import "common/types.proto";\nmessage A { option (seqcast.type) = 256; common.Money m = 1; }\n`,
    common: { 'types.proto': 'syntax = "proto3";\npackage common;\nmessage Money { int64 units = 1; }\n' },
  })
  const schema = await loadSchemaFile(join(directory, 'main.proto'))
  const bytes = schema.encode('A', { m: { units: -5 } })
  t.strictSame(schema.decode(256, bytes, 0, bytes.length), { m: { units: -5 } })
  t.ok((await generateModule(join(directory, 'main.proto'))).includes('  m?: CommonMoney | undefined\n'))
})

test('what is wrong with a file is said with file, line and name', async (t) => {
  const cases: Record<string, [text: string, message: RegExp]> = {
    'syntax.proto': [`${HEADER}message A {\n  uint32 a 1;\n}\n`, /syntax\.proto:5: illegal token '1'/],
    'proto2.proto': ['syntax = "proto2";\nmessage A { required int32 a = 1; }\n', /not a proto3 file/],
    'none.proto': [
      'syntax = "proto3";\nmessage A { uint32 a = 1; }\n',
      /none\.proto: no message has a type number: add/,
    ],
    'known.proto': [
      `${HEADER}import "google/protobuf/timestamp.proto";\n${EVENT}`,
      /known\.proto:4: google\/protobuf\/timestamp\.proto: the well-known types of protobuf are not supported/,
    ],
    'low.proto': [`${HEADER}\nmessage A {\n  option (seqcast.type) = 255;\n}\n`, /low\.proto:5: A: type number 255/],
    'text.proto': [
      `${HEADER}message A { option (seqcast.type) = "x"; }\n`,
      /text\.proto:4: A: type number 'x' is no number/,
    ],
    'twice.proto': [
      `${HEADER}${EVENT}message B { option (seqcast.type) = 256; }\n`,
      /twice\.proto:5: B: type number 256 is already A's/,
    ],
    'unknown.proto': [
      `${HEADER}message A {\n  option (seqcast.type) = 256;\n  Foo foo = 1;\n}\n`,
      /unknown\.proto:6: (?:p\.)?A: there is no type 'Foo'/,
    ],
    'fixed.proto': [
      `${HEADER}message A {\n option (seqcast.type) = 256;\n option (seqcast.fixed) = true;\n string long_name = 1;\n}\n`,
      /fixed\.proto:7: A\.longName: a fixed layout needs the room/,
    ],
    'nested.proto': [
      `${HEADER}message A {\n  message B { option (seqcast.type) = 256; }\n}\n`,
      /nested\.proto:5: A\.B: an event must be declared at the top/,
    ],
    'shadow.proto': [`${HEADER}message Map { option (seqcast.type) = 256; }\n`, /Map would become the type Map/],
    'collide.proto': [`${HEADER}${EVENT}message FooBar {}\nmessage Foo { message Bar {} }\n`, /FooBar.*already/],
    'import.proto': [`${HEADER}import "gone.proto";\n${EVENT}`, /gone\.proto can't be read: ENOENT/],
  }
  const directory = t.testdir(Object.fromEntries(Object.entries(cases).map(([name, [text]]) => [name, text])))
  for (const [name, [, message]] of Object.entries(cases)) {
    await t.rejects(generateModule(join(directory, name)), { message }, name)
  }
  await t.rejects(loadSchemaFile(join(directory, 'absent.proto')), { code: 'E_FILE' })
})
