/**
 * The fields of the tools, beside those of the roles: optional everywhere, checked where they are given.
 */
import { z } from 'zod'
import { FIRST_APPLICATION_TYPE } from '../wire/event.js'
import { ENDINGS } from './bench/failover/report.js'
import { flag, oneOf, positive, text, whole } from './fields.js'

const sequence = whole(1)

/** Of send, tail, record, bench and of the archive's tools. */
export const toolFields = z.strictObject({
  input: text.optional(),
  proto: text.optional(),
  type: whole(FIRST_APPLICATION_TYPE, 0xffff, '; those below are the runtime’s own').optional(),
  rate: positive.optional(),
  from: sequence.optional(),
  count: whole(1).optional(),
  follow: flag.optional(),
  all: flag.optional(),
  source: text.optional(),
  check: flag.optional(),
  group: text.optional(),
  requestServer: text.optional(),
  kind: oneOf(['events', 'opaque']).optional(),
  firstSeq: sequence.optional(),
  receivedAt: text.optional(),
  ended: flag.optional(),
  seconds: positive.optional(),
  format: oneOf(['binaryfile', 'jsonl', 'pcap']).optional(),
  out: text.optional(),
  fromSeq: sequence.optional(),
  toSeq: sequence.optional(),
  fromTime: text.optional(),
  toTime: text.optional(),
  speed: z.union([z.literal('max'), positive], 'a number above 0, or max').optional(),
  run: text.optional(),
  at: text.optional(),
  path: text.optional(),
  ignore: z.array(text).optional(),
  limit: whole(1).optional(),
  oldOption: z.array(text).optional(),
  newOption: z.array(text).optional(),
  publish: flag.optional(),
  as: text.optional(),
  bytes: whole(4, 60_000).optional(),
  codec: oneOf(['fixed', 'protobuf', 'all']).optional(),
  events: whole(1, 1_000_000_000).optional(),
  messages: whole(100, 10_000_000).optional(),
  rounds: whole(1, 1_000).optional(),
  way: oneOf(['local', 'tcp', 'all']).optional(),
  entities: whole(1, 10_000_000).optional(),
  behind: whole(0, 1_000_000_000).optional(),
  kills: whole(0, 10_000).optional(),
  rollovers: whole(1, 90).optional(),
  live: whole(1, 100_000).optional(),
  how: oneOf(ENDINGS).optional(),
  to: text.optional(),
  schema: text.optional(),
  reset: flag.optional(),
  print: z.union([flag, text], 'the name of a table').optional(),
  asRecorded: flag.optional(),
  quietMinutes: z.coerce.number('minutes from 0 on').min(0, 'minutes from 0 on').optional(),
})
