/** `seqcast admin`: an operator's decisions. Each is a sequenced event, so that everybody learns it at the same point. */
import { Command } from 'commander'
import { SeqcastError } from '../core/errors.js'
import { randomIncarnation } from '../runtime/options.js'
import type { AdminAction, AdminReply } from '../wire/control.js'
import { addStreamOptions, readConfiguration, roleOptions } from './configuration.js'
import { Observer } from './observer.js'
import { print } from './output.js'

const RETRY_MS = 100
const TIMEOUT_MS = 5_000
/** So that the observer has heard the replicas before one is chosen. */
const LISTEN_MS = 300

export const adminCommand = new Command('admin')
  .description('decide: activate or passivate a component, ask for digests, end the session')
  .addCommand(action('activate', 'make a replica of a component active', true))
  .addCommand(action('passivate', 'make the active replica of a component passive', true))
  .addCommand(action('digest', 'have every replica take its digest', false))
  .addCommand(action('end-session', 'end the session in order', false))

function action(name: AdminAction, description: string, needsComponent: boolean): Command {
  const command = addStreamOptions(new Command(name)).description(description)
  if (needsComponent) command.argument('<component>', 'name of the component')
  else if (name === 'digest') command.argument('[component]', 'name of the component (default: all)')
  if (name === 'activate') command.option('--instance <name>', 'which replica (default: one in standby)')
  return command.action(async (...args: unknown[]) => {
    const component = typeof args[0] === 'string' ? args[0] : ''
    const flags = command.opts()
    const configuration = readConfiguration(flags)
    const observer = await Observer.open(roleOptions(configuration, 'admin'))
    try {
      const instance = name === 'activate' ? (configuration.instance ?? (await chooseStandby(observer, component))) : ''
      const reply = await decide(observer, name, component, instance)
      print(configuration.json, { action: name, component, instance, sequence: reply.sequence }, () =>
        `${name} ${[component, instance].filter((part) => part !== '').join('/')}: event ${reply.sequence}`.replace(
          '  ',
          ' ',
        ),
      )
    } finally {
      observer.close()
    }
  })
}

async function chooseStandby(observer: Observer, component: string): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, LISTEN_MS))
  const replicas = [...observer.heard.components.values()].filter((status) => status.component === component)
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
      else
        finish(() => reject(new SeqcastError('E_REFUSED', `the sequencer refused to ${action} ${component}: ${error}`)))
    })
    const retry = setInterval(() => observer.control.send('adminRequest', request), RETRY_MS)
    const timeout = setTimeout(() => {
      const problem = new SeqcastError('E_TIMEOUT', `no sequencer answered within ${TIMEOUT_MS / 1000} s`, {
        hint: 'check that it runs (seqcast status), and --session, --control-group and --interface',
      })
      finish(() => reject(problem))
    }, TIMEOUT_MS)
    observer.control.send('adminRequest', request)
  })
}
