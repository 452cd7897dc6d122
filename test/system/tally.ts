/**
 * A component that sees whether it got everything: it counts the `Load` events and sums them up so that the order matters.
 * `Ask` makes it say so in the stream.
 */
import { defineComponent, defineSchema } from 'seqcast'

export interface TallyMessages {
  Load: { readonly n: number }
  Ask: Readonly<Record<string, never>>
  Tallied: { readonly loads: number; readonly checksum: number }
  /** What a session begins with that goes on from another one. */
  Carried: { readonly loads: number; readonly checksum: number }
}

export const LOAD = 256
export const ASK = 257
export const TALLIED = 258
export const CARRIED = 259

const sums = { loads: { id: 1, type: 'uint32' }, checksum: { id: 2, type: 'uint32' } } as const

export const schema = defineSchema<TallyMessages>({
  package: 'tally',
  messages: {
    Load: { type: LOAD, fixed: true, fields: { n: { id: 1, type: 'uint32' } } },
    Ask: { type: ASK, fields: {} },
    Tallied: { type: TALLIED, fixed: true, fields: sums },
    Carried: { type: CARRIED, fixed: true, fields: sums },
  },
  enums: {},
})

export interface Tally {
  loads: number
  checksum: number
}

export function addLoad(tally: Tally, n: number): void {
  tally.loads += 1
  tally.checksum = (tally.checksum * 31 + n) % 1_000_000_007
}

/** What 1 to `loads` come to. */
export function tallyOf(loads: number): Tally {
  const tally = { loads: 0, checksum: 0 }
  for (let n = 1; n <= loads; n++) addLoad(tally, n)
  return tally
}

export const component = defineComponent({
  name: 'tally',
  schema,
  state: (): Tally => ({ loads: 0, checksum: 0 }),
  on: {
    Load(state, { payload }) {
      addLoad(state, payload.n)
    },
    Ask(state, _event, ctx) {
      ctx.send('Tallied', { ...state })
    },
    Carried: (state, { payload }) => void Object.assign(state, payload),
  },
  seed(state, seed) {
    if (state.loads > 0) seed.send('Carried', { ...state })
  },
})
