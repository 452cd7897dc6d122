/**
 * For processes that live on datagrams. Node allocates 64 KiB for each datagram that it
 * reads; with V8's defaults the young generation grows to 16 MiB of such buffers, which then are cold in every cache, and
 * another thread frees them while this one allocates, both waiting for one lock. Kept at 1 MiB and freed in place, a
 * sequencer passes on 12 to 18 % more datagrams of 1,400 bytes (docs/BENCHMARKS.md).
 *
 * These are flags of the whole process, so the programs `sequencer` and `store` set them, and the library never does. A component keeps V8's
 * defaults: a large state that changes is collected twice as long in a small young generation.
 */
import { setFlagsFromString } from 'node:v8'

const FLAGS = ['--semi-space-growth-factor=1', '--no-concurrent-array-buffer-sweeping']

/** To be called before the process has received anything. */
export function keepYoungGenerationSmall(): void {
  for (const flag of FLAGS) setFlagsFromString(flag)
}
