/** An etcd for models, in memory and on their time: keys with revisions, leases that end, backups. */
import type { EtcdAnswer, EtcdCall, EtcdEntry } from '../../src/wire/etcd.js'

interface Stored {
  readonly value: string
  readonly revision: number
  readonly lease: string
}

export interface Backup {
  readonly entries: ReadonlyMap<string, Stored>
  readonly leases: ReadonlyMap<string, number>
}

/** What others might write under the keys of an election. */
export const GARBAGE = [
  '',
  'x',
  '-1',
  '65535',
  '99999999',
  '{}',
  '{"epoch":"1"}',
  '{"epoch":60000,"incarnation":9,"name":"q"}',
]

/** Keys with revisions, and leases that end. */
export class ModelEtcd {
  #entries = new Map<string, Stored>()
  #leases = new Map<string, number>()
  #revision = 1

  do(call: EtcdCall, nowUs: number): EtcdAnswer | 'not-found' {
    this.#expire(nowUs)
    switch (call.kind) {
      case 'grant-lease': {
        const lease = String(++this.#revision)
        this.#leases.set(lease, nowUs + call.ttlSeconds * 1e6)
        return { kind: 'lease', lease, ttlSeconds: call.ttlSeconds }
      }
      case 'keep-lease':
        if (!this.#leases.has(call.lease)) return { kind: 'kept', ttlSeconds: 0 }
        this.#leases.set(call.lease, nowUs + 2e6)
        return { kind: 'kept', ttlSeconds: 2 }
      case 'revoke-lease':
        if (!this.#leases.delete(call.lease)) return 'not-found'
        this.#expire(nowUs)
        return { kind: 'revoked' }
      case 'read':
        return { kind: 'found', entries: call.keys.map((key) => this.#entry(key)) }
      case 'swap': {
        const { expected, puts } = call
        if (expected.some(({ key, revision }) => (this.#entry(key)?.revision ?? '0') !== revision)) {
          return { kind: 'found', entries: expected.map(({ key }) => this.#entry(key)) }
        }
        if (puts.some(({ lease }) => lease !== undefined && !this.#leases.has(lease))) return 'not-found'
        this.#revision++
        for (const { key, value, lease } of puts) this.put(key, value, lease)
        return { kind: 'swapped' }
      }
    }
  }

  put(key: string, value: string, lease = ''): void {
    this.#entries.set(key, { value, revision: ++this.#revision, lease })
  }

  wipe(): void {
    this.#entries.clear()
    this.#leases.clear()
  }

  /** A backup: what `restore` puts back. */
  backup(): Backup {
    return { entries: new Map(this.#entries), leases: new Map(this.#leases) }
  }

  restore({ entries, leases }: Backup): void {
    this.#entries = new Map(entries)
    this.#leases = new Map(leases)
  }

  #entry(key: string): EtcdEntry | undefined {
    const entry = this.#entries.get(key)
    return entry === undefined ? undefined : { value: entry.value, revision: String(entry.revision) }
  }

  #expire(nowUs: number): void {
    for (const [lease, untilUs] of this.#leases) if (nowUs >= untilUs) this.#leases.delete(lease)
    for (const [key, { lease }] of this.#entries) {
      if (lease !== '' && !this.#leases.has(lease)) this.#entries.delete(key)
    }
  }
}
