/** The component of the round trip: it counts, and the replica that the bench holds sends. A module for `seqcast run`, too. */
import { type Component, defineComponent, type Port } from '../../component/definition.js'
import { defineSchema } from '../../component/schema.js'

export interface PingMessages {
  Ping: { data: Uint8Array }
}

export const PING_COMPONENT = 'bench-ping'
const PING_TYPE = 256

/** @param onPort gets the port of the active replica */
export function pingComponent(bytes: number, onPort?: (port: Port<PingMessages>) => void): Component {
  const data = { id: 1, type: 'bytes', lengthBytes: bytes }
  const schema = defineSchema<PingMessages>({
    package: 'seqcast.bench',
    messages: { Ping: { type: PING_TYPE, fixed: true, fields: { data } } },
    enums: {},
  })
  return defineComponent<{ pings: number; bytes: number }, PingMessages>({
    name: PING_COMPONENT,
    schema,
    state: () => ({ pings: 0, bytes: 0 }),
    on: {
      Ping(state, { payload }) {
        state.pings += 1
        state.bytes += payload.data.length
      },
    },
    input: async (port) => {
      onPort?.(port)
      await new Promise<void>((resolve) => port.signal.addEventListener('abort', () => resolve(), { once: true }))
    },
  })
}

export function configure(options: Readonly<Record<string, string>>): Component {
  return pingComponent(Number(options.bytes))
}
