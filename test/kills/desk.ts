/**
 * The component that is killed: orders come in from outside, its handler answers each with a reply, and both have an effect, one
 * after `published` and one after `stable`. It counts whatever comes twice.
 */
import { type Component, defineComponent, defineSchema, type Effect, type Port } from 'seqcast'

export interface DeskMessages {
  Order: { readonly n: number }
  Reply: { readonly n: number }
}

export const ORDER = 256
export const REPLY = 257

export const schema = defineSchema<DeskMessages>({
  package: 'desk',
  messages: {
    Order: { type: ORDER, fixed: true, fields: { n: { id: 1, type: 'uint32' } } },
    Reply: { type: REPLY, fixed: true, fields: { n: { id: 1, type: 'uint32' } } },
  },
  enums: {},
})

export interface DeskState {
  lastOrder: number
  lastReply: number
  outOfOrder: number
}

export interface DeskWorld {
  input?: (port: Port<DeskMessages>, state: DeskState) => Promise<void>
  effect(kind: 'published' | 'stable', n: number, key: string): void
}

export function deskComponent({ input, effect }: DeskWorld): Component {
  const run =
    (kind: 'published' | 'stable') =>
    ({ key, payload }: Effect<string, { readonly n: number }>): void =>
      effect(kind, payload.n, key)
  return defineComponent({
    name: 'desk',
    schema,
    state: (): DeskState => ({ lastOrder: 0, lastReply: 0, outOfOrder: 0 }),
    on: {
      Order(state, { payload: { n } }, ctx) {
        if (n !== state.lastOrder + 1) state.outOfOrder += 1
        state.lastOrder = n
        ctx.send('Reply', { n })
      },
      Reply(state, { payload: { n } }) {
        if (n !== state.lastReply + 1) state.outOfOrder += 1
        state.lastReply = n
      },
    },
    effects: {
      Order: { after: 'published', run: run('published') },
      Reply: { after: 'stable', run: run('stable') },
    },
    ...(input === undefined ? {} : { input }),
    digestEvery: 500,
  })
}
