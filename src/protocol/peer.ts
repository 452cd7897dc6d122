/** Where a datagram came from, and where its answer goes. */
export interface Peer {
  /** A literal IPv4 address. */
  readonly address: string
  readonly port: number
}
