/** The names of a run's sessions: the first one, and `SIM2`, `SIM3`, ... of which each comes later in the chain than those before. */

export const FIRST_SESSION = 'SIM'

/** Its place in the chain, from 1; of others none. */
export function sessionNumber(session: string): number {
  return session === FIRST_SESSION ? 1 : Number(session.slice(FIRST_SESSION.length)) || 1
}

export function sessionAfter(session: string, steps: number): string {
  return `${FIRST_SESSION}${sessionNumber(session) + steps}`
}

export function laterOf(a: string, b: string): string {
  return sessionNumber(b) > sessionNumber(a) ? b : a
}
