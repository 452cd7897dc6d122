/** `seqcast run MODULE`: a replica of the component that a module exports. */
import { Command } from 'commander'
import { type Component, isComponent } from '../component/definition.js'
import { SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import type { ComponentRole } from '../runtime/component-role.js'
import { DEFAULT_REPLICA_SUSPECT_MS } from '../runtime/options.js'
import { readConfiguration, roleOptions } from './configuration.js'
import { LatencyHistogram } from './latency.js'
import { loadExport } from './modules.js'
import { durationText, plural, print } from './output.js'
import { CHECKPOINT_EVERY, CHECKPOINT_KEEP, checkpointOptions } from './run-checkpoints.js'
import { runRole } from './run-role.js'
import { addFaultOptions, addStreamOptions } from './stream-options.js'

export const runCommand = new Command('run')
  .description('run a replica of a component')
  .argument('<module>', 'JavaScript module that exports `component`, or `configure(options)` that returns one')
  .option('--standby', 'wait behind the active replica, and take over when it is silent; do not begin a session')
  .option('--rank <n>', 'of several that wait the least rank comes first, by 100 ms each (default: 0)')
  .option(
    '--suspect-ms <ms>',
    `take over after so long without a sign of the active one (default: ${DEFAULT_REPLICA_SUSPECT_MS})`,
  )
  .option('--manual', 'never take over unasked')
  .option('--instance <name>', 'name of this replica, the same after a restart (default: a, with --standby b)')
  .option(
    '--local-store <dir>',
    'rewind from the files of a store on this machine; over TCP where it lacks the session',
  )
  .option(
    '--checkpoints <dir>',
    'begin at the newest checkpoint in it, and write new ones while another replica is active',
  )
  .option('--checkpoint-every <n>', `events from one checkpoint to the next (default: ${CHECKPOINT_EVERY})`)
  .option('--checkpoint-keep <n>', `newest checkpoints that are kept (default: ${CHECKPOINT_KEEP})`)
  .option('--checkpoint-port <port>', 'give the newest checkpoint to other replicas there (0: a free port)')
  .option('--checkpoints-from <host:port>', 'begin at the newest checkpoint of another replica, where it is newer')
  .option('--option <name=value...>', 'passed to the module’s `configure`')
  .option('--no-guard', 'do not watch handlers for clocks, randomness and promises')
  .action(async (path: string, flags: Record<string, unknown>) => {
    const configuration = readConfiguration(flags)
    const component = await loadComponent(path, configuration.option ?? [])
    const standby = configuration.standby ?? false
    const instance = configuration.instance ?? (standby ? 'b' : 'a')
    const name = `${component.name}/${instance}`
    const options = roleOptions(configuration, name)
    const { startComponent } = await import('../runtime/component-role.js')
    const latency = new LatencyHistogram()
    let role: ComponentRole | undefined
    const onStateChanged = (state: string, reason: string): void => {
      const sequence = role?.host.nextSequence ?? 1
      const fields = configuration.json ? { component: component.name, instance, state, sequence, reason } : {}
      options.logger.info(fields, stateText(name, state, sequence, reason))
      if (hasEnded(state, reason)) endLater(role, reason, options.logger)
    }
    const start = async (): Promise<ComponentRole> => {
      role = await startComponent(component, {
        ...options,
        standby,
        manual: configuration.manual ?? false,
        rank: configuration.rank ?? 0,
        suspectUs: (configuration.suspectMs ?? DEFAULT_REPLICA_SUSPECT_MS) * 1_000,
        instance,
        guard: configuration.guard ?? true,
        ...(configuration.localStore === undefined ? {} : { localStore: configuration.localStore }),
        ...checkpointOptions(configuration),
        onCommandReturned: (latencyUs) => latency.record(latencyUs),
        onStateChanged,
      })
      // The session may have been over before this replica was there.
      if (hasEnded(role.host.state, role.host.reason)) endLater(role, role.host.reason, options.logger)
      return role
    }
    await runRole(start, options.logger)
    report(configuration.json, component.name, instance, latency)
  })
addStreamOptions(runCommand)
addFaultOptions(runCommand)

function stateText(name: string, state: string, sequence: number, reason: string): string {
  if (hasEnded(state, reason)) return `${name} is stopped: ${reason}; nothing more will come, and this process ends`
  return state === 'active' ? `${name} is ACTIVE since event ${sequence}: ${reason}` : `${name} is ${state}: ${reason}`
}

const hasEnded = (state: string, reason: string): boolean => state === 'stopped' && reason.startsWith('session ended')

/** Not at once, because the host is still at work on the event. */
function endLater(role: ComponentRole | undefined, reason: string, logger: Logger): void {
  setImmediate(() => {
    role?.stop(reason).catch((error: Error) => logger.error({ error: error.message }, 'stopping failed'))
  })
}

/** The last word of a replica: how long its commands took to become events. */
function report(json: boolean, component: string, instance: string, latency: LatencyHistogram): void {
  if (json)
    print(true, { component, instance, commandToEvent: latency.summary(), histogram: latency.encode() }, () => '')
  else if (latency.count > 0) {
    const { count, p50, p99, max } = latency.summary()
    const figures = `${durationText(p50)} (p50), ${durationText(p99)} (p99), ${durationText(max)} (max)`
    print(false, {}, () => `command to event: ${figures} of ${plural(count, 'command')}`)
  }
}

/** @throws SeqcastError E_MODULE */
export async function loadComponent(path: string, options: readonly string[]): Promise<Component> {
  const component = await loadExport(path, options, 'component')
  if (isComponent(component)) return component
  throw new SeqcastError(
    'E_MODULE',
    `module ${path} exports neither \`component\` nor \`configure\` that returns one`,
    {
      hint: 'export const component = defineComponent({ … })',
    },
  )
}
