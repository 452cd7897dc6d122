/** `seqcast run MODULE`: a replica of the component that a module exports. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Command } from 'commander'
import { type Component, isComponent } from '../component/definition.js'
import { messageOf, SeqcastError } from '../core/errors.js'
import { addStreamOptions, readConfiguration, roleOptions } from './configuration.js'
import { LatencyHistogram } from './latency.js'
import { print } from './output.js'
import { runRole } from './run-role.js'

export const runCommand = addStreamOptions(new Command('run'))
  .description('run a replica of a component')
  .argument('<module>', 'JavaScript module that exports `component`, or `configure(options)` that returns one')
  .option('--standby', 'stay passive until an operator activates this replica')
  .option('--instance <name>', 'name of this replica, the same after a restart (default: a, with --standby b)')
  .option('--option <name=value...>', 'passed to the module’s `configure`')
  .option('--no-guard', 'do not watch handlers for clocks, randomness and promises')
  .action(async (path: string, flags: Record<string, unknown>) => {
    const configuration = readConfiguration(flags)
    const component = await loadComponent(path, configuration.option ?? [])
    const standby = configuration.standby ?? false
    const options = roleOptions(configuration, component.name)
    const { startComponent } = await import('../runtime/component-role.js')
    const latency = new LatencyHistogram()
    const instance = configuration.instance ?? (standby ? 'b' : 'a')
    const role = await startComponent(component, {
      ...options,
      standby,
      instance,
      guard: configuration.guard ?? true,
      onCommandReturned: (latencyUs) => latency.record(latencyUs),
    })
    await runRole(role, options.logger)
    report(configuration.json, component.name, instance, latency)
  })

/** The last word of a replica: how long its commands took to become events. */
function report(json: boolean, component: string, instance: string, latency: LatencyHistogram): void {
  if (json)
    print(true, { component, instance, commandToEvent: latency.summary(), histogram: latency.encode() }, () => '')
  else if (latency.count > 0) {
    const { count, p50, p99, max } = latency.summary()
    print(false, {}, () => `${count} commands became events in ${p50} us (p50), ${p99} us (p99), ${max} us (max)`)
  }
}

/** @throws SeqcastError E_MODULE */
export async function loadComponent(path: string, options: readonly string[]): Promise<Component> {
  const file = resolve(path)
  if (!existsSync(file)) {
    throw new SeqcastError('E_MODULE', `module ${path} does not exist`, {
      hint: 'give the path of a compiled .js file',
    })
  }
  const module = await importModule(file, path)
  const component =
    typeof module.configure === 'function' ? await module.configure(parseOptions(options)) : module.component
  if (isComponent(component)) return component
  throw new SeqcastError(
    'E_MODULE',
    `module ${path} exports neither \`component\` nor \`configure\` that returns one`,
    {
      hint: 'export const component = defineComponent({ … })',
    },
  )
}

async function importModule(file: string, path: string): Promise<Record<string, unknown>> {
  try {
    return await import(pathToFileURL(file).href)
  } catch (error) {
    throw new SeqcastError('E_MODULE', `module ${path} can't be loaded: ${messageOf(error)}`, {
      hint: 'it must be an ES module for this version of Node',
      cause: error,
    })
  }
}

function parseOptions(options: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    options.map((option) => {
      const at = option.indexOf('=')
      if (at > 0) return [option.slice(0, at), option.slice(at + 1)]
      throw new SeqcastError('E_USAGE', `--option ${option} is not NAME=VALUE`, {
        hint: 'for example --option input=orders.itch',
      })
    }),
  )
}
