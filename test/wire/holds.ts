/** Runs a property as one assertion: fast-check throws with its seed and the smallest counterexample. */
import fc from 'fast-check'
import type { Test } from 'tap'

export function holds<Ts extends unknown[]>(
  t: Test,
  property: fc.IRawProperty<Ts, false>,
  options: fc.Parameters<Ts> = {},
): void {
  fc.assert(property, options)
  t.pass('held in every case')
}
