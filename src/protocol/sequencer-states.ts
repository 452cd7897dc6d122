/** What the states of a sequencer's heartbeat mean to those who hear it. */

/**
 * True where the sender of the heartbeat sequences. A standby speaks, too, so that people see that it is there; what it says
 * of the stream is hearsay.
 */
export function isSequencing(state: string): boolean {
  return state === 'open' || state === 'held' || state === 'seeding' || state === 'ending'
}

/** True where the sender would sequence if it had to: it waits behind the active one, or wants to reign and does not yet. */
export function isCandidate(state: string): boolean {
  return state === 'standby' || state === 'electing' || state === 'claiming' || state === 'adopting'
}
