/** What a peer can do for a comparison. */
export interface Peer {
  readonly name: string
  /** One message there and back. */
  roundTrip(payload: Uint8Array): Promise<unknown>
  /** Messages a second stored, acknowledged, many in flight; and read again from the beginning. */
  rates?(payload: Uint8Array, messages: number): Promise<Rates>
  close(): Promise<void>
}

export interface Rates {
  readonly stored: number
  readonly replayed: number
}
