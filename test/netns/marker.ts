/**
 * The component of these tests: it sums up the `Load` events so that the order matters, and says every so often in the stream
 * how far it is. What it said leaves the system too, by an effect that waits until it is stable: a line in a file.
 */
import { appendFileSync } from 'node:fs'
import { defineComponent, defineSchema } from 'seqcast'
import { addLoad, LOAD, type Tally } from '../system/tally.js'

export const MARKED = 300
/** A mark comes after so many loads. */
export const LOADS_PER_MARK = 250

export interface MarkerMessages {
  Load: { readonly n: number }
  Marked: { readonly loads: number; readonly checksum: number }
}

export const schema = defineSchema<MarkerMessages>({
  package: 'marker',
  messages: {
    Load: { type: LOAD, fixed: true, fields: { n: { id: 1, type: 'uint32' } } },
    Marked: {
      type: MARKED,
      fixed: true,
      fields: { loads: { id: 1, type: 'uint32' }, checksum: { id: 2, type: 'uint32' } },
    },
  },
  enums: {},
})

/** @param file where the effects go */
export const configure = ({ file = '' }: { readonly file?: string }) =>
  defineComponent({
    name: 'marker',
    schema,
    state: (): Tally => ({ loads: 0, checksum: 0 }),
    on: {
      Load(state, { payload }, ctx) {
        addLoad(state, payload.n)
        if (state.loads % LOADS_PER_MARK === 0) ctx.send('Marked', { ...state })
      },
    },
    effects: {
      Marked: {
        after: 'stable',
        run: ({ key, payload }) => appendFileSync(file, `${key} ${payload.loads} ${payload.checksum}\n`),
      },
    },
  })
