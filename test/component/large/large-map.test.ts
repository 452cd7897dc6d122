/** A large map is a Map in the order of its keys, wherever its entries lie, and its digest says what is in it and nothing else. */
import { deepEqual, equal } from 'node:assert/strict'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { test } from 'tap'
import { digestHex, digestOf } from '../../../src/component/digest.js'
import type { LargeChange } from '../../../src/component/large/large-base.js'
import { compareKeys, decodeKey, encodeKey, type LargeKey } from '../../../src/component/large/large-key.js'
import { type LargeMap, largeMap, restoreLargeMap } from '../../../src/component/large/large-map.js'
import { type LargeFiles, LargeTables } from '../../../src/component/large/large-tables.js'
import { KEPT } from '../../../src/component/large/own-form.js'
import { useScratchFiles } from '../../../src/component/large/scratch.js'
import { decodeState } from '../../../src/component/state-decoding.js'
import { encodeState } from '../../../src/component/state-encoding.js'
import { Prng } from '../../../src/core/prng.js'

/** Files that are a Map. */
class MemoryFiles implements LargeFiles {
  rows = new Map<string, Uint8Array>()

  get(map: string, key: Uint8Array): Uint8Array | undefined {
    return this.rows.get(idOf(map, key))
  }

  *keys(map: string, from: Uint8Array | undefined, before: Uint8Array | undefined): Generator<Uint8Array> {
    const keys = [...this.rows.keys()].filter((id) => id.startsWith(`${map} `)).map((id) => keyOf(map, id))
    for (const key of keys.sort(Buffer.compare)) {
      if (from !== undefined && Buffer.compare(key, from) < 0) continue
      if (before === undefined || Buffer.compare(key, before) < 0) yield key
    }
  }

  reset(): void {
    this.rows.clear()
  }

  write(rows: Iterable<LargeChange>): void {
    for (const { map, key, row } of rows) {
      if (row === undefined) this.rows.delete(idOf(map, key))
      else this.rows.set(idOf(map, key), row)
    }
  }

  commit(tables: LargeTables): void {
    this.write(tables.sealed())
    tables.written()
  }
}

const idOf = (map: string, key: Uint8Array): string => `${map} ${Buffer.from(key).toString('latin1')}`
const keyOf = (map: string, id: string): Buffer => Buffer.from(id.slice(map.length + 1), 'latin1')
const digest = (state: unknown): string => digestHex(digestOf(state))

type Value = { n: number; tags?: string[] }
const aKey: fc.Arbitrary<LargeKey> = fc.oneof(
  fc.constantFrom<LargeKey>(0, -0, 1, -1, 1.5, 1e300, -1e300, '', 'a', 'b', 'ä', '\ud800', '\udfff', '\uffff', '😀'),
  fc.integer({ min: -3, max: 8 }),
)
const aValue = fc.record(
  { n: fc.nat(5), tags: fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 }) },
  { noNullPrototype: true },
)
const aStep = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('set' as const), key: aKey, value: aValue }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), key: aKey }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('update' as const), key: aKey }) },
  fc.record({ do: fc.constantFrom('seal' as const, 'write' as const, 'unseal' as const) }),
  fc.record({ do: fc.constantFrom('restart' as const, 'clear' as const, 'digest' as const) }),
)

const sortedEntries = (model: ReadonlyMap<LargeKey, Value>): [LargeKey, Value][] =>
  [...model].sort(([a], [b]) => compareKeys(a, b))

test('whatever is done to it, and wherever its entries lie', (t) => {
  fc.assert(
    fc.property(fc.array(aStep, { maxLength: 60, size: 'max' }), aKey, aKey, (steps, from, before) => {
      const files = new MemoryFiles()
      let tables = new LargeTables(files)
      let map = largeMap<LargeKey, Value>('m')
      tables.attach({ map })
      const model = new Map<LargeKey, Value>()
      let atSeal: [Uint8Array, Map<LargeKey, Value>] | undefined
      let inFiles: [Uint8Array, Map<LargeKey, Value>] | undefined
      for (const step of steps) {
        if (step.do === 'set') {
          map.set(step.key, step.value)
          model.set(step.key, step.value)
        } else if (step.do === 'delete') equal(map.delete(step.key), model.delete(step.key))
        else if (step.do === 'update') {
          const known = model.get(step.key)
          if (known !== undefined) model.set(step.key, { ...known, n: known.n + 1 })
          const isThere = map.update(step.key, (value) => {
            value.n++
          })
          equal(isThere, known !== undefined)
        } else if (step.do === 'seal') {
          atSeal = [encodeState({ map }), new Map(model)]
          tables.seal()
        } else if (step.do === 'write' && atSeal !== undefined) {
          files.commit(tables)
          inFiles = atSeal
          atSeal = undefined
        } else if (step.do === 'unseal') {
          tables.unseal()
          atSeal = undefined
        } else if (step.do === 'restart' && inFiles !== undefined) {
          // As it was in the files, with nothing of what came after.
          const state = decodeState(inFiles[0]) as { map: LargeMap<LargeKey, Value> }
          tables = new LargeTables(files)
          tables.attach(state)
          map = state.map
          model.clear()
          for (const [key, value] of inFiles[1]) model.set(key, value)
          atSeal = undefined
        } else if (step.do === 'clear') {
          map.clear()
          model.clear()
        } else digest({ map })
        equal(map.size, model.size)
      }
      const expected = sortedEntries(model)
      deepEqual([...map], expected)
      deepEqual(
        [...map.keys()],
        expected.map(([key]) => key),
      )
      deepEqual(
        [...map.values()],
        expected.map(([, value]) => value),
      )
      for (const [key, value] of expected) deepEqual([map.has(key), map.get(key)], [true, value])
      equal(map.get('nowhere'), undefined)
      const within = expected.filter(([key]) => compareKeys(key, from) >= 0 && compareKeys(key, before) < 0)
      deepEqual([...map.between(from, before)], within)
      const afresh = largeMap<LargeKey, Value>('m')
      for (const [key, value] of [...expected].reverse()) afresh.set(key, { tags: value.tags ?? [], n: value.n })
      equal(digest({ map }), digest({ map: afresh }), 'the digest is that of the content')
      afresh.set('one more', { n: 0 })
      equal(digest({ map }) === digest({ map: afresh }), false)
    }),
    { numRuns: 400 },
  )
  t.end()
})

test('keys are ordered as their bytes are', (t) => {
  fc.assert(
    fc.property(fc.oneof(aKey, fc.double({ noNaN: true }), fc.string({ unit: 'binary' })), aKey, (a, b) => {
      equal(Math.sign(Buffer.compare(encodeKey(a), encodeKey(b))) === Math.sign(compareKeys(a, b)), true)
      equal(decodeKey(encodeKey(a)), a === 0 ? 0 : a)
    }),
    { numRuns: 3_000 },
  )
  t.end()
})

test('a value is copied when it is set, and can not be changed when it is read', (t) => {
  const map = largeMap<number, { n: number; list: number[] }>('m')
  const value = { n: 1, list: [1] }
  map.set(1, value)
  value.n = 2
  t.strictSame(map.get(1), { n: 1, list: [1] })
  const read = map.get(1)
  t.throws(() => Object.assign(read ?? {}, { n: 3 }), TypeError)
  t.throws(() => read?.list.push(2), TypeError)
  map.update(1, (own) => {
    own.list.push(2)
  })
  t.strictSame(map.get(1)?.list, [1, 2])
  t.equal(
    map.update(7, () => t.fail('it is not there')),
    false,
  )
  t.equal(inspect({ map }), '{ map: Map(1) { 1 => { list: [Array], n: 1 } } }')
  t.end()
})

test('while a loop goes on', (t) => {
  const files = new MemoryFiles()
  const tables = new LargeTables(files)
  const map = largeMap<number, number>('m')
  tables.attach({ map })
  for (let key = 0; key < 6; key++) map.set(key, key)
  tables.seal()
  files.commit(tables)
  map.set(2.5, 0)
  const met: number[] = []
  for (const [key] of map) {
    met.push(key)
    map.delete(key + 1)
    map.set(key + 100, 1)
  }
  t.strictSame(met, [0, 2, 2.5, 4], 'what came is not met, nor what went')
  t.end()
})

test('files that come when the state has something in it', (t) => {
  const [early, late] = [largeMap<number, number>('m'), largeMap<number, number>('m')]
  const files = new MemoryFiles()
  const tables = new LargeTables()
  tables.attach({ late })
  for (const map of [early, late]) map.set(1, 1).set(2, 2)
  tables.use(files)
  for (const map of [early, late]) {
    map.delete(1)
    map.set(3, 3)
  }
  t.equal(tables.changes, 3)
  tables.seal()
  files.commit(tables)
  t.equal(tables.changes, 0)
  for (const map of [early, late]) map.set(2, 22)
  t.strictSame([...late], [...early])
  t.equal(digest({ map: late }), digest({ map: early }))
  t.end()
})

test('what it does not take', (t) => {
  const map = largeMap<LargeKey, unknown>('m')
  t.throws(() => map.set(1, new Date()), { code: 'E_NONDETERMINISM', message: /the value for a large map is .*Date/ })
  t.doesNotThrow(() => map.set(1, { still: 'works' }))
  t.throws(() => map.set(Number.NaN, 1), RangeError)
  t.throws(() => map.set('x'.repeat(2_000), 1), RangeError)
  t.throws(() => Reflect.apply(map.set, map, [{}, 1]), TypeError)
  t.throws(() => largeMap('no name'), /name/)
  const twice = { a: largeMap('m'), b: [largeMap('m')] }
  t.throws(() => new LargeTables().attach(twice), /two large maps/)
  t.end()
})

test('a tool has files for as long as it runs', (t) => {
  let made = 0
  useScratchFiles(() => {
    made++
    return new MemoryFiles()
  })
  const map = largeMap<number, number>('m')
  const model = new Map<number, number>()
  const random = new Prng(7)
  for (let i = 0; i < 60_000; i++) {
    const key = Math.floor(random.fraction() * 30_000)
    if (random.fraction() < 0.25) equal(map.delete(key), model.delete(key))
    else {
      map.set(key, i)
      model.set(key, i)
    }
  }
  t.equal(made, 1)
  t.ok(map.changes < 10_000, `${map.changes} of ${map.size} entries are in memory`)
  t.equal(map.size, model.size)
  const expected = [...model].sort(([a], [b]) => a - b)
  t.strictSame([...map], expected)
  const afresh = largeMap<number, number>('m')
  for (const [key] of map) {
    map.set(key + 100_000, 1) // Nothing moves to the files under a loop.
    if (key < 20_000) map.delete(key + 1)
    if (key > 25_000) break
  }
  for (const [key, value] of map) afresh.set(key, value)
  t.equal(digest({ map }), digest({ map: afresh }))
  const kept = decodeState(encodeState({ map })) as { map: typeof map }
  t.equal(digest(kept), digest({ map }), 'in a checkpoint all of it is there')
  t.end()
})

test('in a checkpoint without files all of it is there; with files, only with them', (t) => {
  const map = largeMap<LargeKey, unknown>('m')
  map
    .set('a', new Map([[1, new Set(['x'])]]))
    .set('b', { __proto__: null, bytes: Uint8Array.of(1, 2), nothing: undefined, text: 'ä😀' })
  const kept = encodeState({ map, again: map })
  const state = decodeState(kept) as { map: typeof map; again: typeof map }
  t.equal(state.map, state.again)
  t.strictSame([...state.map], [...map])
  t.equal(digest(state), digest({ map, again: map }))
  const form = map[KEPT]()
  t.not(restoreLargeMap(form), undefined)
  for (const change of [
    { count: 3 },
    { sum: new Uint8Array(32) },
    { sum: new Uint8Array(3) },
    { entries: new Map() },
  ]) {
    t.equal(restoreLargeMap({ ...form, ...change }), undefined, JSON.stringify(change))
  }
  t.equal(restoreLargeMap({ ...form, entries: new Map([[true, 1]]) }), undefined)
  const tables = new LargeTables(new MemoryFiles())
  tables.attach({ map })
  tables.seal()
  const elsewhere = decodeState(encodeState({ map }))
  t.throws(() => new LargeTables().attach(elsewhere), { code: 'E_CHECKPOINT' })
  t.end()
})
