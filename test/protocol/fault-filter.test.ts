import fc from 'fast-check'
import { test } from 'tap'
import { Prng } from '../../src/core/prng.js'
import { FaultFilter, type FaultOptions } from '../../src/protocol/fault-filter.js'

function run(
  options: FaultOptions,
  seed: number,
  packets: number,
  gapUs = 10,
): { out: number[]; filter: FaultFilter<number> } {
  const filter = new FaultFilter<number>(options, new Prng(seed))
  const out: number[] = []
  const emit = (packet: number): void => {
    out.push(packet)
  }
  let nowUs = 0
  for (let packet = 0; packet < packets; packet++) {
    nowUs += gapUs
    filter.tick(nowUs, emit)
    filter.push(packet, nowUs, emit)
  }
  for (let deadlineUs = filter.tick(nowUs, emit); deadlineUs < Number.POSITIVE_INFINITY; ) {
    deadlineUs = filter.tick(deadlineUs, emit)
  }
  return { out, filter }
}

test('without faults everything passes as it comes', (t) => {
  const { out, filter } = run({}, 1, 100)
  t.strictSame(
    out,
    Array.from({ length: 100 }, (_, i) => i),
  )
  t.strictSame(filter.counters, { passed: 100, lost: 0, duplicated: 0, reordered: 0 })
  t.end()
})

test('what is not lost comes out, once or twice, and soon', (t) => {
  const probability = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(probability, probability, probability, fc.integer(), (loss, duplicate, reorder, seed) => {
      const { out, filter } = run({ loss, duplicate, reorder }, seed, 200)
      const { lost, duplicated, passed } = filter.counters
      const counts = new Map<number, number>()
      for (const packet of out) counts.set(packet, (counts.get(packet) ?? 0) + 1)
      const twice = [...counts.values()].filter((count) => count === 2).length
      return (
        filter.heldPackets === 0 &&
        passed === out.length &&
        counts.size === 200 - lost &&
        twice === duplicated &&
        [...counts.values()].every((count) => count <= 2)
      )
    }),
  )
  t.pass()
  t.end()
})

test('the rates are what was asked for, and the seed decides', (t) => {
  const options = { loss: 0.05, duplicate: 0.02, reorder: 0.1 }
  const { out, filter } = run(options, 42, 20_000)
  t.ok(Math.abs(filter.counters.lost / 20_000 - 0.05) < 0.01)
  t.ok(Math.abs(filter.counters.duplicated / 20_000 - 0.02) < 0.005)
  t.ok(Math.abs(filter.counters.reordered / 20_000 - 0.1) < 0.015)
  const early = out.filter((packet, i) => i > 0 && packet < (out[i - 1] ?? 0)).length
  t.ok(early > 1_000, `${early} packets came behind a later one`)
  t.equal(run(options, 42, 20_000).out.join(), out.join())
  t.not(run(options, 43, 20_000).out.join(), out.join())
  t.end()
})

test('a held packet passes after a few others or after its time', (t) => {
  const options = { reorder: 0.3, holdMaxPackets: 3, holdMinUs: 1_000, holdMaxUs: 1_000 }
  const { out } = run(options, 7, 2_000, 1)
  const late = out.map((packet, i) => i - packet)
  t.ok(Math.max(...late) > 0)
  t.ok(Math.max(...late) <= 3, 'no more than three have passed it')
  const filter = new FaultFilter<number>({ reorder: 1, holdMinUs: 100, holdMaxUs: 200 }, new Prng(1))
  const seen: number[] = []
  const emit = (packet: number): void => {
    seen.push(packet)
  }
  filter.push(1, 1_000, emit)
  const deadlineUs = filter.tick(1_000, emit)
  t.ok(deadlineUs >= 1_100 && deadlineUs <= 1_200)
  t.equal(filter.tick(deadlineUs - 1, emit), deadlineUs)
  t.strictSame(seen, [])
  t.equal(filter.tick(deadlineUs, emit), Number.POSITIVE_INFINITY)
  t.strictSame(seen, [1])
  t.end()
})

test('what is held is bounded, and probabilities are checked', (t) => {
  const filter = new FaultFilter<number>({ reorder: 1, capacity: 3 }, new Prng(1))
  let passed = 0
  for (let i = 0; i < 10; i++) {
    filter.push(i, 0, () => {
      passed++
    })
  }
  t.ok(filter.heldPackets <= 3)
  t.equal(passed, 10 - filter.heldPackets)
  t.throws(() => new FaultFilter({ loss: 1.5 }, new Prng(1)), RangeError)
  t.throws(() => new FaultFilter({ duplicate: Number.NaN }, new Prng(1)), RangeError)
  t.end()
})
