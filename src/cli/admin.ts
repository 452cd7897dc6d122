/** `seqcast admin`: an operator's decisions. Each is a sequenced event, so that everybody learns it at the same point. */
import { Command } from 'commander'
import { SeqcastError } from '../core/errors.js'
import { randomIncarnation } from '../runtime/platform.js'
import type { AdminAction, AdminReply, ComponentStatus } from '../wire/control.js'
import { awaitDigests, digestText } from './admin-digest.js'
import { readmissionText, readmit } from './admin-readmit.js'
import { retire } from './admin-retire.js'
import { isOpen, rollOver, rollText } from './admin-roll.js'
import { takeOver } from './admin-take-over.js'
import { readConfiguration, roleOptions, TOOL_DEFAULTS } from './configuration.js'
import { Observer } from './observer.js'
import { print } from './output.js'
import { addStreamOptions } from './stream-options.js'

const RETRY_MS = 100
const TIMEOUT_MS = 5_000
/** So that the observer has heard the replicas before one is chosen. */
const LISTEN_MS = 300
/** A replica that has the stream takes its new role within milliseconds, and says so within a tenth of a second. */
const TAKE_ROLE_MS = 3_000

export const adminCommand = new Command('admin').description(
  'decide: activate, passivate or retire a component, have a sequencer take over, ask for digests, end the session or go on in the next, readmit a voter',
)

const activate = new Command('activate')
  .description('make a replica of a component active')
  .argument('<component>', 'name of the component')
  .option('--instance <name>', 'which replica (default: one in standby)')
  .action((component: string, flags: Record<string, unknown>) =>
    withObserver(flags, async (observer, configuration) => {
      const instance = configuration.instance ?? chooseStandby(observer, component)
      const before = replicaOf(observer, component, instance)
      const { sequence } = await decide(observer, 'activate', component, instance)
      const already = before?.state === 'active'
      const now = already
        ? before
        : await observer.until(TAKE_ROLE_MS, () => inState(observer, 'active', component, instance))
      const state = now?.state ?? replicaOf(observer, component, instance)?.state ?? 'not heard'
      const name = `${component}/${instance}`
      print(configuration.json, { action: 'activate', component, instance, sequence, already, state }, () => {
        if (already) return `${name} is active already, since event ${sequence}`
        if (now !== undefined) return `${name} is active since event ${sequence}`
        return `event ${sequence} makes ${name} active; it is ${state}, and takes over when it has caught up`
      })
    }),
  )

const passivate = new Command('passivate')
  .description('make the active replica of a component passive')
  .argument('<component>', 'name of the component')
  .action((component: string, flags: Record<string, unknown>) =>
    withObserver(flags, async (observer, configuration) => {
      const instance = replicasOf(observer, component).find(({ state }) => state === 'active')?.instance ?? ''
      const { sequence } = await decide(observer, 'passivate', component, '')
      const now = await observer.until(TAKE_ROLE_MS, () => inState(observer, 'standby', component, instance))
      const state = now?.state ?? replicaOf(observer, component, instance)?.state ?? 'not heard'
      print(configuration.json, { action: 'passivate', component, instance, sequence, state }, () =>
        instance === ''
          ? `no replica of ${component} is active since event ${sequence}`
          : `${component}/${instance} is ${state}, passive since event ${sequence}`,
      )
    }),
  )

const retireCommand = new Command('retire')
  .description('take a component out of service: no later session waits for what it carries over, which is dropped')
  .argument('<component>', 'name of the component')
  .option('--reason <text>', 'for the record: it stands in the event')
  .action((component: string, flags: Record<string, unknown>) => {
    const { reason, ...others } = flags
    const why = typeof reason === 'string' ? reason : 'decided by an operator'
    return withObserver(others, async (observer, configuration) => {
      const { already, sequence, text } = await retire(observer, component, why)
      print(configuration.json, { action: 'retire', component, sequence, already }, () => text)
    })
  })

const digest = new Command('digest')
  .description('have every replica take its digest after the same event, and compare them')
  .argument('[component]', 'name of the component (default: all)')
  .action((component: string | undefined, flags: Record<string, unknown>) =>
    withObserver(flags, async (observer, configuration) => {
      const digests = awaitDigests(observer, component)
      const { sequence } = await decide(observer, 'digest', component ?? '', '')
      const result = await digests.taken(sequence)
      print(configuration.json, { action: 'digest', component: component ?? '', sequence, ...result }, () =>
        digestText(sequence, result.replicas),
      )
      if (result.equal) return
      throw new SeqcastError('E_NONDETERMINISM', `replicas have different digests after event ${sequence}`, {
        hint: 'their handlers depend on something else than the events; find it with: seqcast replay --run MODULE',
        fields: { sequence },
      })
    }),
  )

const endSession = new Command('end-session')
  .description('end the session in order: a last event, and nothing after it')
  .action((flags: Record<string, unknown>) =>
    withObserver(flags, async (observer, configuration) => {
      const { sequence } = await decide(observer, 'end-session', '', '')
      const { session } = configuration
      print(
        configuration.json,
        { action: 'end-session', component: '', instance: '', sequence },
        () => `session ${session} ends with event ${sequence}; stores stay and serve it, everybody else stops`,
      )
    }),
  )

const rollSession = new Command('roll-session')
  .description('end the session with going on in another one, which takes over what is alive')
  .option('--to <id>', 'the session that goes on (default: the id that follows)')
  .option('--anyway', 'also where the next session would wait for a component that nobody hears')
  .option('--reason <text>', 'for the record: it stands in the last event')
  .action((flags: Record<string, unknown>) => {
    const { anyway, reason, ...others } = flags
    return withObserver(others, async (observer, configuration) => {
      const successor = configuration.to ?? ''
      const why = typeof reason === 'string' ? reason : 'decided by an operator'
      const result = await rollOver(observer, configuration.session, successor, why, anyway === true)
      print(configuration.json, { action: 'roll-session', ...result }, () => rollText(result))
      if (!isOpen(result)) process.exitCode = 1
    })
  })

const openSession = new Command('open-session')
  .description(
    'open a session that still waits for the seed of a component: what that one carries over is missing then',
  )
  .option('--reason <text>', 'for the record: it stands in the event that opens the session')
  .action((flags: Record<string, unknown>) => {
    const { reason, ...others } = flags
    return withObserver(others, async (observer, configuration) => {
      const awaited = [...observer.heard.sequencers.values()].flatMap((one) => one.awaited ?? [])
      const why = typeof reason === 'string' ? reason : 'decided by an operator'
      const { sequence } = await decide(observer, 'open-session', '', '', why)
      const { session } = configuration
      print(configuration.json, { action: 'open-session', session, sequence, missing: awaited }, () =>
        awaited.length === 0
          ? `session ${session} is open since event ${sequence}`
          : `session ${session} is open since event ${sequence}, without the seed of ${awaited.join(', ')}`,
      )
    })
  })

const takeOverCommand = new Command('take-over')
  .description('have a standby sequencer take over now; the active one steps down')
  .argument('[sequencer]', 'which one, as ADDRESS:PORT of seqcast status (default: the one that has read furthest)')
  .action((name: string | undefined, flags: Record<string, unknown>) =>
    withObserver(flags, async (observer, configuration) => {
      const result = await takeOver(observer, name)
      const { sequencer, epoch, sequence, before, epochBefore } = result
      print(configuration.json, { action: 'take-over', ...result }, () => {
        const earlier = before === '' ? 'nobody was active before' : `${before} of epoch ${epochBefore} steps down`
        return `sequencer ${sequencer} is active in epoch ${epoch}, since event ${sequence}; ${earlier}`
      })
    }),
  )

const readmitCommand = new Command('readmit')
  .description('have a voter vote again that lost its data, where no majority of the others can give it back')
  .argument('<voter>', 'id of the voter')
  .option('--accept-loss', 'what only lost disks had is lost, be it stable')
  .option('--reason <text>', 'for the record, which is kept beside the promise of the voter')
  .action((voter: string, flags: Record<string, unknown>) => {
    const { acceptLoss, reason, ...others } = flags
    const why = typeof reason === 'string' ? reason : 'decided by an operator'
    return withObserver(others, async (observer, configuration) => {
      const result = await readmit(observer, voter, why, acceptLoss === true)
      print(configuration.json, { action: 'readmit', ...result }, () => readmissionText(result))
    })
  })

for (const command of [
  activate,
  passivate,
  retireCommand,
  takeOverCommand,
  digest,
  endSession,
  rollSession,
  openSession,
  readmitCommand,
]) {
  addStreamOptions(command, 'warn')
  adminCommand.addCommand(command)
}

/** Listens long enough to know who is there, does the work, and closes. */
async function withObserver(
  flags: Record<string, unknown>,
  work: (observer: Observer, configuration: ReturnType<typeof readConfiguration>) => Promise<void>,
): Promise<void> {
  const configuration = readConfiguration(flags, TOOL_DEFAULTS)
  const observer = await Observer.openNewest(roleOptions(configuration, 'admin'), LISTEN_MS)
  try {
    await work(observer, { ...configuration, session: observer.options.session })
  } finally {
    observer.close()
  }
}

function replicasOf(observer: Observer, component: string): ComponentStatus[] {
  return [...observer.heard.components.values()].filter((status) => status.component === component)
}

function replicaOf(observer: Observer, component: string, instance: string): ComponentStatus | undefined {
  return observer.heard.components.get(`${component}/${instance}`)
}

function inState(observer: Observer, state: string, component: string, instance: string): ComponentStatus | undefined {
  const status = replicaOf(observer, component, instance)
  return status?.state === state ? status : undefined
}

function chooseStandby(observer: Observer, component: string): string {
  const replicas = replicasOf(observer, component)
  const standby = replicas.find((status) => status.state === 'standby')
  if (standby !== undefined) return standby.instance
  const heard = replicas.map((status) => `${status.instance} is ${status.state}`).join(', ')
  throw new SeqcastError('E_REFUSED', `no replica of '${component}' is in standby (${heard || 'none was heard'})`, {
    hint: `start one with: seqcast run MODULE --standby; seqcast status shows who is there`,
  })
}

/** Repeats the request under one nonce until it is answered. @throws SeqcastError E_REFUSED, E_TIMEOUT */
export function decide(
  observer: Observer,
  action: AdminAction,
  component: string,
  instance: string,
  reason = 'decided by an operator',
): Promise<AdminReply> {
  const nonce = randomIncarnation()
  const request = { nonce, action, component, instance, incarnation: 0, expectedTerm: 0, reason }
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      clearInterval(retry)
      clearTimeout(timeout)
      unlisten()
      settle()
    }
    const unlisten = observer.control.listen((message) => {
      if (message.kind !== 'adminReply' || message.body.nonce !== nonce) return
      const { error } = message.body
      if (error === '') finish(() => resolve(message.body))
      else finish(() => reject(refused([action, component].filter((part) => part !== '').join(' '), error)))
    })
    const retry = setInterval(() => observer.control.send('adminRequest', request), RETRY_MS)
    const timeout = setTimeout(() => {
      finish(() => reject(unanswered(observer)))
    }, TIMEOUT_MS)
    observer.control.send('adminRequest', request)
  })
}

function unanswered({ options: { session }, heard, others }: Observer): SeqcastError {
  const hasEnded = [...heard.stores.values()].some(({ state, successor = '' }) => state === 'ended' && successor === '')
  if (hasEnded && heard.sequencers.size === 0) {
    return new SeqcastError('E_REFUSED', `session ${session} has ended: there is nothing to decide in it any more`, {
      hint: 'a new session needs another id (--session), or a store with another directory',
      fields: { session },
    })
  }
  const what = `no sequencer of session ${session} answered within ${TIMEOUT_MS / 1000} s`
  return new SeqcastError('E_TIMEOUT', `${what}${others.text}`, {
    hint: others.hint ?? 'check that it runs (seqcast status), and --session, --control-group and --interface',
    fields: { session },
  })
}

function refused(what: string, why: string): SeqcastError {
  return new SeqcastError('E_REFUSED', `the sequencer refused to ${what}: ${why}`, {
    hint: 'seqcast status shows who is there, and in which state',
  })
}
