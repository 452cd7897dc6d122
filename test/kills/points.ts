/**
 * The points at which an active replica is killed. Each names a kind of command and how far it had come: a command of the handlers
 * (`reply`), one from outside (`order`), the report of an effect (`report`); or an effect that was done and not recorded.
 */
export const POINTS = [
  'reply-decided',
  'order-decided',
  'reply-sent',
  'order-sent',
  'reply-late',
  'order-late',
  'published-effect-done',
  'stable-effect-done',
  'report-decided',
  'report-late',
] as const

export type Point = (typeof POINTS)[number]

/** What the issue of such a kill is called in the contract of failover. */
export const GROUPS = {
  'decided, not sent': ['reply-decided', 'order-decided'],
  'sent, not sequenced': ['reply-sent', 'order-sent', 'reply-late', 'order-late'],
  'effect done, not recorded': ['published-effect-done', 'stable-effect-done', 'report-decided', 'report-late'],
} as const satisfies Record<string, readonly Point[]>

/** What a replica is told when it is started. */
export interface ReplicaPlan {
  readonly session: string
  readonly eventGroup: string
  readonly commandGroup: string
  readonly controlGroup: string
  readonly instance: string
  readonly standby: boolean
  /** Where effects are done: a line each. */
  readonly ledger: string
  readonly point: Point
  /** The trap springs at so many occasions after the replica has become active. */
  readonly after: number
}

/** The last words of a replica. */
export interface Death {
  readonly instance: string
  readonly point: Point
  /** The number of the order or reply; for a report the sequence of the effect's event. */
  readonly n: number
  /** Wall clock, milliseconds. */
  readonly atMs: number
  /** The packet that is to arrive later, in base64; '' where there is none. */
  readonly late: string
}
