/** `seqcast inspect --diff`: what is different in a component's state at one moment from another. */
import { changesText, changeToJson } from '../replay/changes-text.js'
import { placeAt } from '../replay/entity.js'
import { copyState, diffValues } from '../replay/state-diff.js'
import { createPlayer, type InspectJob, playTo } from './inspect-job.js'
import { lineWidth, STYLE, timeText } from './moment-text.js'
import { bold, count, plural, print } from './output.js'
import { momentOf } from './range.js'

/** The earlier of the two is first, whatever their order. @throws SeqcastError */
export async function inspectDifference(job: InspectJob, first: string, second: string): Promise<void> {
  const moments = [momentOf(job.log, first, '--diff'), momentOf(job.log, second, '--diff')]
  const [from, to] = [Math.min(...moments), Math.max(...moments)]
  const player = await createPlayer(job, from)
  await playTo(job, player, from)
  const fromUs = player.timeUs
  const before = player.parts.map(({ state }) => copyState(partOf(state, job.path)))
  await playTo(job, player, to)
  for (const [i, part] of player.parts.entries()) {
    const difference = diffValues(
      before[i],
      partOf(part.state, job.path),
      job.json ? Number.POSITIVE_INFINITY : job.limit,
    )
    const said = { session: job.session, component: part.name, from, to, total: difference.total }
    print(job.json, { ...said, changes: difference.changes.map(changeToJson) }, () =>
      [
        `${bold(part.name)} of session ${job.session}, from after event ${from} (${fromUs === 0 ? 'before the first' : timeText(fromUs)})` +
          ` to after event ${to} (${player.timeUs === 0 ? 'before the first' : timeText(player.timeUs)}): ${plural(difference.total, 'change')} by ${count(to - from)} events`,
        ...changesText(difference, { width: lineWidth(), style: STYLE }),
      ].join('\n'),
    )
  }
  player.stop()
}

/** What lies at the path may come and go between the two. */
function partOf(state: unknown, path: string | undefined): unknown {
  return path === undefined ? state : placeAt(state, path)?.value
}
