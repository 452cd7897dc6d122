/**
 * The moments of a rollover at which a process is killed: at a packet that it sends or gets, by the event in it. What is `decided`
 * dies with the process; what is `sent` is with the others.
 */
import {
  EFFECT_OWED,
  SEED_DONE,
  SESSION_ENDED,
  SESSION_OPENED,
  SESSION_STARTED,
} from '../../src/wire/runtime-events.js'

/** Of the shipment system: what the scanner sends. */
export const SCAN_TYPES = [260, 261, 262]
/** What `shipments` carries over. */
const CARRIED = 290

export interface Point {
  readonly name: string
  /** Roles that come by here. */
  readonly roles: readonly string[]
  /** In a packet that the process sends, or that it gets. */
  readonly way: 'send' | 'receive'
  readonly types: readonly number[]
  /** Of the session that ends, or of the one that begins. */
  readonly session: 'old' | 'new'
  /** Before the packet is sent or handled, or after. */
  readonly when: 'before' | 'after'
}

const everybody = ['store', 'sequencer', 'scanner', 'shipments', 'router', 'notifier']
const components = ['scanner', 'shipments', 'router', 'notifier']

export const POINTS: readonly Point[] = [
  sends('end-decided', ['sequencer'], SESSION_ENDED, 'old', 'before'),
  sends('end-sent', ['sequencer'], SESSION_ENDED, 'old', 'after'),
  sends('beginning-decided', ['sequencer'], SESSION_STARTED, 'new', 'before'),
  sends('beginning-sent', ['sequencer'], SESSION_STARTED, 'new', 'after'),
  sends('seed-sequenced', ['sequencer'], CARRIED, 'new', 'after'),
  sends('opening-decided', ['sequencer'], SESSION_OPENED, 'new', 'before'),
  sends('opening-sent', ['sequencer'], SESSION_OPENED, 'new', 'after'),
  gets('end-heard', everybody, SESSION_ENDED, 'old', 'before'),
  gets('end-handled', everybody, SESSION_ENDED, 'old', 'after'),
  gets('beginning-heard', ['store', ...components], SESSION_STARTED, 'new', 'before'),
  gets('beginning-handled', ['store', ...components], SESSION_STARTED, 'new', 'after'),
  gets('opening-heard', ['store', ...components], SESSION_OPENED, 'new', 'before'),
  gets('opening-handled', ['store', ...components], SESSION_OPENED, 'new', 'after'),
  sends('seed-decided', ['shipments'], CARRIED, 'new', 'before'),
  sends('seed-sent', ['shipments'], CARRIED, 'new', 'after'),
  sends('seed-done-decided', components, SEED_DONE, 'new', 'before'),
  sends('seed-done-sent', components, SEED_DONE, 'new', 'after'),
  sends('owed-sent', ['notifier'], EFFECT_OWED, 'new', 'after'),
  sends('first-scan-decided', ['scanner'], SCAN_TYPES, 'new', 'before'),
  sends('first-scan-sent', ['scanner'], SCAN_TYPES, 'new', 'after'),
]

/** What a process that is to die is told, in a file that it looks for. */
export interface Trap {
  readonly point: Point
  /** The id of the session that the point speaks of. */
  readonly session: string
}

/** The last word of who has died in a trap, in a file of its own. */
export interface Death {
  readonly pid: number
  readonly point: string
}

export function trapFile(directory: string, pid: number): string {
  return `${directory}/trap-${pid}.json`
}

export function deathFile(directory: string, pid: number): string {
  return `${directory}/death-${pid}.json`
}

function sends(
  name: string,
  roles: string[],
  types: number | number[],
  session: Point['session'],
  when: Point['when'],
): Point {
  return { name, roles, way: 'send', types: [types].flat(), session, when }
}

function gets(
  name: string,
  roles: string[],
  types: number | number[],
  session: Point['session'],
  when: Point['when'],
): Point {
  return { name, roles, way: 'receive', types: [types].flat(), session, when }
}
