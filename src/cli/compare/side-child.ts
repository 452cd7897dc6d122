/** The process of one version: modules of two versions must not share a process, as they may share modules and globals. */
import { messageOf, SeqcastError } from '../../core/errors.js'
import { LocalSide } from '../../replay/compare/local-side.js'
import { LmdbLogReader } from '../../store/lmdb-log-reader.js'
import { loadComponent } from '../run.js'
import { giveScratchFiles } from '../scratch-files.js'
import type { SideAnswer, SideOpening, SideQuestion } from './side-messages.js'

/** Set by `stop`: the parent knows enough. */
let isStopped = false
let side: Promise<LocalSide> | undefined

const tell = (answer: SideAnswer): void => {
  process.send?.(answer)
}

async function open({
  directory,
  session,
  module,
  option,
  toSequence,
  ignore,
  guard,
}: SideOpening): Promise<LocalSide> {
  const log = await LmdbLogReader.open(directory, session)
  const component = await loadComponent(module, option)
  await giveScratchFiles([component])
  return new LocalSide({ component, session, log, toSequence, ignore, guard })
}

async function answer(question: SideQuestion): Promise<void> {
  if (question.ask === 'stop') isStopped = true
  else if (question.ask === 'open') {
    side = open(question.opening)
    tell({ tell: 'description', description: await (await side).describe() })
  } else if (side === undefined) throw new Error('the side was asked before it was opened')
  else if (question.ask === 'moment')
    tell({ tell: 'moment', moment: await (await side).moment(question.sequence, question.keys) })
  else {
    isStopped = false
    const end = await (await side).play(question.request, (stretch) => {
      tell({ tell: 'stretch', stretch })
      return !isStopped
    })
    tell({ tell: 'end', end })
  }
}

process.on('message', (question: SideQuestion) => {
  answer(question).catch((thrown: unknown) => {
    const { code, hint } = thrown instanceof SeqcastError ? thrown : { code: 'E_MODULE' as const, hint: undefined }
    tell({ tell: 'failure', code, message: messageOf(thrown), hint })
  })
})
process.once('disconnect', () => process.exit())
