/** The component host as a standby: events of a fixed layout into a handler. */
import { defineComponent } from '../../../src/component/definition.js'
import { ComponentHost } from '../../../src/component/host.js'
import { defineSchema } from '../../../src/component/schema.js'
import { writeU16, writeU32 } from '../../../src/wire/bytes.js'
import { EVENT_HEADER_BYTES, stampEvent, WHOLE_MESSAGE, writeCommandHeader } from '../../../src/wire/event.js'
import type { Drive } from '../machines.js'

interface Messages {
  Trade: { id: number; shares: number; price: number }
}

const schema = defineSchema<Messages>({
  package: 'hot',
  messages: {
    Trade: {
      type: 256,
      fixed: true,
      fields: {
        id: { id: 1, type: 'uint32' },
        shares: { id: 2, type: 'uint32' },
        price: { id: 3, type: 'uint32' },
      },
    },
  },
  enums: {},
})
const EVENTS_A_RUN = 10
const PAYLOAD_BYTES = 12
const BLOCK_BYTES = 2 + EVENT_HEADER_BYTES + PAYLOAD_BYTES

/** The handler does not look at the payload. */
export function createHost(): Drive {
  const component = defineComponent<{ events: number; sources: number }, Messages>({
    name: 'hot',
    schema,
    state: () => ({ events: 0, sources: 0 }),
    on: {
      Trade(state, event) {
        state.events += 1
        state.sources += event.source
      },
    },
  })
  return drive(component)
}

/** The handler reads every field. */
export function createReadingHost(): Drive {
  const component = defineComponent<{ shares: number; turnover: number; last: number }, Messages>({
    name: 'hot',
    schema,
    state: () => ({ shares: 0, turnover: 0, last: 0 }),
    on: {
      Trade(state, { payload }) {
        state.shares = (state.shares + payload.shares) & 0xffff
        state.turnover = (state.turnover + payload.price) & 0xffff
        state.last = payload.id
      },
    },
  })
  return drive(component)
}

function drive(component: ConstructorParameters<typeof ComponentHost>[0]): Drive {
  const nothing = (): void => {}
  const host = new ComponentHost(
    component,
    { session: 'HOTPATH', instance: 'a', incarnation: 1, mode: 'replica' },
    { sendCommands: nothing, stateChanged: nothing, failed: (error) => fail(error) },
  )
  const run = new Uint8Array(EVENTS_A_RUN * BLOCK_BYTES)
  let nowUs = 1_000_000.5
  return (events) => {
    for (let i = 0; i < events; i += EVENTS_A_RUN) {
      nowUs += 10.25
      fill(run, host.nextSequence)
      host.onRun(host.nextSequence, EVENTS_A_RUN, run, 0, run.length, nowUs)
      host.onStable(host.nextSequence - 1, nowUs)
      host.flush(nowUs)
    }
  }
}

function fail(error: Error): never {
  throw error
}

const time = { high: 0x18d0_0000, low: 0 }

function fill(run: Uint8Array, first: number): void {
  for (let i = 0; i < EVENTS_A_RUN; i++) {
    const at = i * BLOCK_BYTES
    writeU16(run, at, EVENT_HEADER_BYTES + PAYLOAD_BYTES)
    writeCommandHeader(run, at + 2, 256, 3, (first + i) >>> 0, WHOLE_MESSAGE)
    time.low = (first + i) >>> 0
    stampEvent(run, at + 2, time, 1)
    writeU32(run, at + 2 + EVENT_HEADER_BYTES, first + i)
    writeU32(run, at + 6 + EVENT_HEADER_BYTES, 100)
  }
}
