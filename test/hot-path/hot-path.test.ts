/**
 * Nothing is allocated for an event: a million events go through each machine in a process of its own, and what the heap
 * grew and how often it was collected is bounded. Some allocate for each packet; the bounds leave that much.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'

const EVENTS = 1_000_000
/**
 * Less than one object for each event. What is left is for packets, each of which has a view and a few boxed times, and for a
 * number of 16 bytes that V8 boxes for most events in those processes where it does not inline a certain call.
 */
const QUIET_BYTES = 20
/** A decoded payload is an object that the handler may keep: three words and its three fields. */
const PAYLOAD_BYTES = 48
/** A long copy goes through a view of 96 bytes: here five of them for fifteen events. */
const COPY_BYTES = 32

/** Bytes that may be allocated for each event. */
const BOUNDS: Readonly<Record<string, number>> = {
  sequencer: QUIET_BYTES,
  'gathering-sequencer': QUIET_BYTES + COPY_BYTES,
  outbox: QUIET_BYTES,
  receiver: QUIET_BYTES,
  recorder: QUIET_BYTES,
  host: QUIET_BYTES,
  'reading-host': QUIET_BYTES + PAYLOAD_BYTES,
}
/** Chunks for packets are memory outside of the heap, and make the collector run now and then. */
const MAX_COLLECTIONS = 12
const MAX_GROWTH_BYTES = 2 * 1024 * 1024

for (const [machine, bytesAnEvent] of Object.entries(BOUNDS)) {
  test(`${machine} allocates nothing for an event`, async (t) => {
    const { allocatedBytes, collections, growthBytes } = await drive(machine)
    t.comment(
      `${(allocatedBytes / EVENTS).toFixed(3)} bytes an event, ${collections} collections, grown ${growthBytes}`,
    )
    t.ok(allocatedBytes / EVENTS < bytesAnEvent, `${allocatedBytes} bytes for ${EVENTS} events`)
    t.ok(collections <= MAX_COLLECTIONS, `${collections} collections`)
    t.ok(growthBytes < MAX_GROWTH_BYTES, `${growthBytes} bytes are kept`)
  })
}

test('one small object for an event is noticed', async (t) => {
  const { allocatedBytes } = await drive('allocating')
  t.ok(allocatedBytes / EVENTS > QUIET_BYTES, `${allocatedBytes} bytes for ${EVENTS} events`)
})

interface Driven {
  readonly allocatedBytes: number
  readonly collections: number
  readonly growthBytes: number
}

async function drive(machine: string): Promise<Driven> {
  const child = fork(fileURLToPath(new URL('drive.js', import.meta.url)), [machine, String(EVENTS)], {
    // The young generation is large enough that a collection says something.
    execArgv: ['--expose-gc', '--max-semi-space-size=32', '--min-semi-space-size=32'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  const exited = once(child, 'exit')
  const [message] = await Promise.race([
    once(child, 'message'),
    exited.then(([code]) => {
      throw new Error(`${machine}: the child ended with ${code}`)
    }),
  ])
  await exited
  return readDriven(message)
}

function readDriven(message: unknown): Driven {
  const read = (name: string): number => {
    const value: unknown = typeof message === 'object' && message !== null ? Reflect.get(message, name) : undefined
    if (typeof value !== 'number') throw new Error(`the child did not report ${name}`)
    return value
  }
  return {
    allocatedBytes: read('allocatedBytes'),
    collections: read('collections'),
    growthBytes: read('growthBytes'),
  }
}
