/** Microseconds of the machine's monotonic clock: the same for every process on it, so that their notes can be compared. */
export function machineUs(): number {
  return Number(process.hrtime.bigint() / 1_000n)
}
