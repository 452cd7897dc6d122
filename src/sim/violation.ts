/** What a checker throws: a guarantee of the design was broken. The run ends with it. */

/** G1 to G8 as in the design; `liveness`: it did not converge; `crash`: a process threw what is nobody's to catch. */
export type Guarantee = 'G1' | 'G2' | 'G3' | 'G4' | 'G5' | 'G6' | 'G7' | 'G8' | 'liveness' | 'crash'

export class Violation extends Error {
  readonly guarantee: Guarantee

  /** @param message what was seen, with node names and sequences */
  constructor(guarantee: Guarantee, message: string) {
    super(message)
    this.name = 'Violation'
    this.guarantee = guarantee
  }
}
