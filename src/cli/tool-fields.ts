/**
 * The fields of the tools, beside those of the roles: optional everywhere, checked where they are given.
 */
import { z } from 'zod'
import { FIRST_APPLICATION_TYPE } from '../wire/event.js'

const sequence = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER)
const positive = z.coerce.number().gt(0)

/** Of send, tail, record and of the archive's tools. */
export const toolFields = z.strictObject({
  input: z.string().optional(),
  proto: z.string().optional(),
  type: z.coerce
    .number()
    .int()
    .min(
      FIRST_APPLICATION_TYPE,
      `application types start at ${FIRST_APPLICATION_TYPE}; those below are the runtime's own`,
    )
    .max(0xffff)
    .optional(),
  rate: positive.optional(),
  from: sequence.optional(),
  count: z.coerce.number().int().min(1).optional(),
  follow: z.boolean().optional(),
  group: z.string().optional(),
  requestServer: z.string().optional(),
  kind: z.enum(['events', 'opaque']).optional(),
  seconds: positive.optional(),
  format: z.enum(['binaryfile', 'jsonl', 'pcap']).optional(),
  out: z.string().optional(),
  fromSeq: sequence.optional(),
  toSeq: sequence.optional(),
  fromTime: z.string().optional(),
  toTime: z.string().optional(),
  speed: z.union([z.literal('max'), positive], 'a number above 0, or max').optional(),
  run: z.string().optional(),
  publish: z.boolean().optional(),
  as: z.string().optional(),
})
