/** What the replicas say to a request for digests, and whether those of a component are equal. */
import type { ComponentStatus } from '../wire/control.js'
import type { Observer } from './observer.js'
import { green, red, table } from './output.js'

/** A digest of a large state takes a while. */
const TIMEOUT_MS = 5_000

export interface ReplicaDigest {
  readonly component: string
  readonly instance: string
  readonly state: string
  /** In hex; '' where the replica did not say it in time. */
  readonly digest: string
}

export interface DigestResult {
  readonly replicas: readonly ReplicaDigest[]
  /** No two replicas of a component differ. */
  readonly equal: boolean
}

/** To be called before the request is made: who answers quickly must not be missed. @param component undefined: all */
export function awaitDigests(
  observer: Observer,
  component: string | undefined,
): { taken(sequence: number): Promise<DigestResult> } {
  /** By replica, and by the event after which they were taken. */
  const heard = new Map<string, Map<number, string>>()
  const unlisten = observer.control.listen((message) => {
    if (message.kind !== 'component') return
    const { digest, digestSequence } = message.body
    const ofReplica = heard.get(nameOf(message.body)) ?? new Map<number, string>()
    heard.set(nameOf(message.body), ofReplica.set(digestSequence, Buffer.from(digest).toString('hex')))
  })
  const wanted = (): ComponentStatus[] =>
    [...observer.heard.components.values()]
      .filter((status) => component === undefined || status.component === component)
      .filter(({ state }) => state !== 'stopped' && state !== 'failed')
      .sort((a, b) => nameOf(a).localeCompare(nameOf(b)))
  return {
    async taken(sequence) {
      const digestOf = (status: ComponentStatus): string | undefined => heard.get(nameOf(status))?.get(sequence)
      await observer.until(TIMEOUT_MS, () => wanted().every((status) => digestOf(status) !== undefined) || undefined)
      unlisten()
      const replicas = wanted().map((status) => {
        const { component: name, instance, state } = status
        return { component: name, instance, state, digest: digestOf(status) ?? '' }
      })
      return { replicas, equal: replicas.every((replica) => agrees(replica, replicas)) }
    },
  }
}

/** A line a replica. */
export function digestText(sequence: number, replicas: readonly ReplicaDigest[]): string {
  if (replicas.length === 0) return `digests were requested by event ${sequence}; no replica was heard`
  const rows = replicas.map((replica) => [
    `${replica.component}/${replica.instance}`,
    replica.state,
    replica.digest === '' ? 'not said in time' : replica.digest,
    verdict(replica, replicas),
  ])
  return `digests after event ${sequence}\n${table(['replica', 'state', 'digest', 'compared'], rows)}`
}

function verdict(replica: ReplicaDigest, replicas: readonly ReplicaDigest[]): string {
  if (replica.digest === '') return ''
  const others = replicas.filter((other) => other !== replica && other.component === replica.component && other.digest)
  if (others.length === 0) return 'nobody to compare with'
  return agrees(replica, replicas) ? green('equal') : red('different')
}

function agrees(replica: ReplicaDigest, replicas: readonly ReplicaDigest[]): boolean {
  return replicas.every(
    ({ component, digest }) =>
      component !== replica.component || digest === '' || replica.digest === '' || digest === replica.digest,
  )
}

const nameOf = ({ component, instance }: ComponentStatus): string => `${component}/${instance}`
