/**
 * The sequencer as a process. Without voters there is one sequencer, which begins the session or continues it. With voters
 * each start is a claim, and a standby takes over when the active one falls silent.
 */
import { SeqcastError } from '../core/errors.js'
import type { Sequencer } from '../protocol/sequencer.js'
import type { SequencerState } from '../protocol/sequencer-types.js'
import { ControlLink } from './control-link.js'
import { DutyCycle } from './duty-cycle.js'
import type { EtcdOptions } from './etcd-client.js'
import type { Role, RoleOptions } from './options.js'
import { Outcome } from './outcome.js'
import { systemPlatform } from './platform.js'
import { Reigning } from './reigning.js'
import { SequencerCandidate } from './sequencer-candidate.js'
import { type HeardStore, rebuildFrom, surveySession } from './session-start.js'

export interface SequencerRoleOptions extends RoleOptions {
  /** Names of the stores whose majority makes events stable; none: published is stable, and there is no failover. */
  readonly voters: readonly string[]
  readonly requestPort: number
  /** A Tick event after this long without an event; 0: none. */
  readonly tickUs?: number
  /** How long to wait for a majority of the voters before refusing. */
  readonly startTimeoutUs?: number
  /** Wait behind the active sequencer, and take over when it is silent. Needs voters. */
  readonly standby?: boolean
  /** Of several standbys the one of the least rank comes first; default 0. */
  readonly rank?: number
  /** The active sequencer is suspected after so long without a sign of it. */
  readonly suspectUs?: number
  /** Never take over by itself. */
  readonly manual?: boolean
  /** Who claims an epoch, and which one, is decided by an etcd. Needs voters: theirs are the grants. */
  readonly etcd?: EtcdOptions
}

export interface SequencerRole extends Role {
  /** The machine of now: a standby that reads anew, or steps down, makes another one. */
  readonly sequencer: Sequencer
}

/**
 * Starts a sequencer. It resolves when the session is open; that of a standby when it reads the session.
 * @throws SeqcastError E_SECOND_SEQUENCER, E_SESSION_NEEDS_STORE, E_ETCD, E_PORT_IN_USE, E_GROUP, E_INTERFACE, E_CONFIG
 */
export async function startSequencer(options: SequencerRoleOptions): Promise<SequencerRole> {
  requireVoters(options)
  const platform = options.platform ?? systemPlatform()
  const cycle = new DutyCycle(platform, options.idle)
  const outcome = new Outcome()
  const fail = (error: SeqcastError): void => outcome.failed(error)
  const closers: (() => void)[] = [() => cycle.stop()]
  const closeAll = (): void => {
    for (const close of closers.splice(0).reverse()) close()
  }
  try {
    cycle.start()
    const control = await ControlLink.open(options, platform.random(), cycle, fail)
    closers.push(() => control.close())
    // Before any port is taken: a second sequencer hears the first one instead of meeting its ports.
    const recorded = options.standby === true ? undefined : await surveySession(options, control, platform.timers)
    const sockets = await Reigning.open(options, cycle, control, fail)
    closers.push(() => sockets.close())
    const parts = { options, cycle, control, sockets, outcome }
    if (options.voters.length === 0) {
      const sequencer = await openAlone(parts, recorded)
      outcome.promise.then(closeAll, closeAll)
      return roleOf(parts, () => sequencer)
    }
    const candidate = new SequencerCandidate(parts, recorded)
    closers.push(() => candidate.close())
    outcome.promise.then(closeAll, closeAll)
    if (options.standby === true) await candidate.stand()
    else await candidate.take()
    return roleOf(parts, () => candidate.sequencer)
  } catch (error) {
    closeAll()
    throw error
  }
}

/** What the sequencer of a process works with. */
export interface SequencerParts {
  readonly options: SequencerRoleOptions
  readonly cycle: DutyCycle
  readonly control: ControlLink
  readonly sockets: Reigning
  readonly outcome: Outcome
}

function requireVoters({ voters, standby, manual, etcd, session }: SequencerRoleOptions): void {
  if (voters.length > 0) {
    checkVoters(voters, session)
    return
  }
  const who = standby === true ? 'a standby' : manual === true ? '--manual' : etcd !== undefined ? '--etcd' : undefined
  if (who === undefined) return
  throw new SeqcastError('E_CONFIG', `${who} needs the voters of the session`, {
    hint: 'name them as for the active sequencer: --voters a,b,c',
    fields: { field: 'voters', session },
  })
}

/** An even number would bear no more losses than one less; of two that share an id one would never be heard. */
function checkVoters(voters: readonly string[], session: string): void {
  if ([1, 3, 5].includes(voters.length) && new Set(voters).size === voters.length) return
  throw new SeqcastError(
    'E_CONFIG',
    `a session has one, three or five voters, each with its own id, and not: ${voters.join(', ')}`,
    {
      hint: 'for example --voters a,b,c',
      fields: { field: 'voters', session },
    },
  )
}

async function openAlone(parts: SequencerParts, recorded: HeardStore | undefined): Promise<Sequencer> {
  const { options, cycle, sockets, outcome } = parts
  const sequencer = sockets.create((state, reason) => onState(state, reason, options.session, outcome))
  if (recorded !== undefined) await rebuildFrom(sequencer, recorded, recorded.committedSequence, options, cycle)
  await sockets.listen()
  sockets.reign(sequencer, (nowUs, wallUs) => sequencer.open(nowUs, wallUs))
  return sequencer
}

function roleOf({ options, sockets, outcome }: SequencerParts, machine: () => Sequencer): SequencerRole {
  return {
    get sequencer() {
      return machine()
    },
    done: outcome.promise,
    async stop(reason) {
      await sockets.handOver()
      options.logger.info({ reason, nextSequence: machine().nextSequence }, 'sequencer: stopped')
      outcome.stopped()
      await outcome.promise
    },
  }
}

function onState(state: SequencerState, reason: string, session: string, outcome: Outcome): void {
  if (state === 'ended') outcome.stopped()
  if (state !== 'stopped') return
  const details = { hint: 'stop one of them, or give one another --session and other groups', fields: { session } }
  outcome.failed(
    reason === 'behind-store'
      ? new SeqcastError(
          'E_SESSION_EXISTS',
          `a store has recorded more of session ${session} than this sequencer has sent`,
          {
            hint: 'start the sequencer again: it will rebuild itself from that store',
            fields: { session },
          },
        )
      : new SeqcastError('E_SECOND_SEQUENCER', `another sequencer runs session ${session}: this one stopped`, details),
  )
}
