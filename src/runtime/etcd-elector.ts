/** The election of a process: the machine, what it asks an etcd, and who is told the result. */
import { Election, type ElectionState } from '../protocol/election.js'
import type { Reign } from '../protocol/reign.js'
import type { EtcdCall } from '../wire/etcd.js'
import type { Agent, DutyCycle } from './duty-cycle.js'
import { EtcdClient, type EtcdOptions } from './etcd-client.js'
import type { RoleOptions } from './options.js'

const DEFAULT_PREFIX = 'seqcast'

/** What is told of it in a heartbeat: `etcd.unanswered` is 0 again when it answers. */
type EtcdCounters = Record<'etcd.calls' | 'etcd.unanswered' | 'etcd.malformed', number>

export class EtcdElector implements Agent {
  readonly #cycle: DutyCycle
  readonly #client: EtcdClient
  readonly #election: Election
  readonly #counters: EtcdCounters = { 'etcd.calls': 0, 'etcd.unanswered': 0, 'etcd.malformed': 0 }

  /** @param incarnation of this process @param reign is told who is elected */
  constructor(
    options: Pick<RoleOptions, 'session' | 'logger'>,
    etcd: EtcdOptions,
    incarnation: number,
    cycle: DutyCycle,
    reign: Pick<Reign, 'known' | 'unwon' | 'elected' | 'notElected'>,
  ) {
    const { clock, timers } = cycle.platform
    const { session, logger } = options
    this.#cycle = cycle
    this.#client = new EtcdClient(etcd.endpoints, timers, () => clock.nowUs())
    this.#election = new Election(
      { session, prefix: etcd.prefix ?? DEFAULT_PREFIX, incarnation, name: `sequencer-${incarnation}`, logger },
      {
        call: (call) => {
          this.#call(call).catch((error: Error) => logger.error({ error: error.message }, 'election: failed'))
        },
        known: () => reign,
        elected: (epoch, nowUs) => reign.elected(epoch, nowUs),
        notElected: (reason, nowUs) => reign.notElected(reason, nowUs),
      },
    )
    cycle.add(this)
  }

  get state(): ElectionState {
    return this.#election.state
  }

  get isAnswered(): boolean {
    return this.#election.failures === 0
  }

  get counters(): Readonly<EtcdCounters> {
    return this.#counters
  }

  /** Asks to be elected; the reign is told. */
  seek(nowUs: number): void {
    this.#election.seek(nowUs)
  }

  /** Others may be elected. */
  release(nowUs: number): void {
    this.#election.release(nowUs)
  }

  /** Releases what it has, without waiting for it. */
  close(): void {
    this.#client.close()
    this.#election.release(this.#cycle.enter())
    this.#cycle.remove(this)
  }

  flush(): void {}

  tick(nowUs: number): number {
    return this.#election.tick(nowUs)
  }

  async #call(call: EtcdCall): Promise<void> {
    this.#counters['etcd.calls'] += 1
    const outcome = await this.#client.call(call)
    const nowUs = this.#cycle.enter()
    if ('answer' in outcome) {
      this.#election.onAnswer(outcome.answer, nowUs)
    } else {
      if (outcome.failure.isGarbage) this.#counters['etcd.malformed'] += 1
      this.#election.onFailure(outcome.failure, nowUs)
    }
    this.#counters['etcd.unanswered'] = this.#election.failures
  }
}
