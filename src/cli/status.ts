/** `seqcast status`: who is alive, in which state, at which sequence, with which losses. */
import { Command } from 'commander'
import { SeqcastError } from '../core/errors.js'
import { addStreamOptions, readConfiguration, roleOptions } from './configuration.js'
import { type Heard, Observer } from './observer.js'
import { dim, print, table } from './output.js'

/** Long enough to hear everybody at least three times. */
const LISTEN_MS = 400

/** Counters that tell of trouble; shown when above zero. */
const LOSSES =
  /unauthenticated|loss|lost|gap|overflow|duplicate|wrong|malformed|diverged|congested|errors|restarts|requests|rewinds$/i

export const statusCommand = addStreamOptions(new Command('status'))
  .description('who is alive, in which state, at which sequence, with which losses')
  .action(async (flags: Record<string, unknown>) => {
    const configuration = readConfiguration(flags)
    const options = roleOptions(configuration, 'status')
    const observer = await Observer.open(options)
    await new Promise((resolve) => setTimeout(resolve, LISTEN_MS))
    observer.close()
    const { sequencers, stores, components } = observer.heard
    if (sequencers.size + stores.size + components.size === 0) {
      const { group, port } = options.controlGroup
      throw new SeqcastError(
        'E_SESSION_UNKNOWN',
        `nobody of session ${options.session} was heard on ${group}:${port}`,
        {
          hint: 'start one with: seqcast sequencer; or check --session, --control-group and --interface',
        },
      )
    }
    print(configuration.json, statusOf(options.session, observer.heard), () => statusTable(observer.heard))
  })

function statusOf(session: string, heard: Heard): object {
  return {
    session,
    sequencers: [...heard.sequencers.values()],
    stores: [...heard.stores.values()],
    components: [...heard.components.values()].map((component) => ({
      ...component,
      digest: Buffer.from(component.digest).toString('hex'),
    })),
  }
}

function statusTable(heard: Heard): string {
  const rows = [
    ...[...heard.sequencers.values()].map((s) => [
      'sequencer',
      '',
      s.held ? `${s.state} (held)` : s.state,
      s.nextSequence - 1,
      `stable ${s.stableSequence}`,
      losses(s.counters),
    ]),
    ...[...heard.stores.values()].map((s) => [
      'store',
      s.voter === '' ? s.name : `${s.name} (voter)`,
      s.state,
      s.committedSequence,
      `durable ${s.durableSequence}`,
      losses(s.counters),
    ]),
    ...[...heard.components.values()]
      .sort((a, b) => a.component.localeCompare(b.component) || a.instance.localeCompare(b.instance))
      .map((c) => [c.component, c.instance, c.state, c.nextSequence - 1, c.reason, losses(c.counters)]),
  ]
  return table(['role', 'name', 'state', 'sequence', 'about', 'losses'], rows)
}

function losses(counters: Readonly<Record<string, number>>): string {
  const found = Object.entries(counters).filter(([name, value]) => value > 0 && LOSSES.test(name))
  return found.length === 0 ? dim('none') : found.map(([name, value]) => `${name} ${value}`).join(', ')
}
