/** Faults in words, one line each, and from a file: what a failed run prints, and what `--schedule` takes. */
import type { Fault } from './schedule.js'

/** `  1.250000 s  kill @sequencer for 300 ms` */
export function describeFault(fault: Fault): string {
  return `${timeText(fault.atUs)}  ${whatText(fault)}`
}

export function timeText(us: number): string {
  return `${(us / 1_000_000).toFixed(6).padStart(10)} s`
}

function whatText(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
      return `kill ${fault.node}${fault.outputs > 0 ? ` after ${fault.outputs} more outputs` : ''}, start it again ${after(fault.forUs)}`
    case 'stop':
      return `stop ${fault.node} in order, start it again ${after(fault.forUs)}`
    case 'empty':
      return `kill ${fault.node} and wipe its disk, start it again ${after(fault.forUs)}`
    case 'pause':
      return `pause ${fault.node} for ${span(fault.forUs)}`
    case 'busy':
      return `${fault.node} takes up to ${span(fault.workUs)} for everything, for ${span(fault.forUs)}`
    case 'cut':
      return `cut from ${fault.from.join(', ')} to ${fault.to.join(', ')} for ${span(fault.forUs)}`
    case 'partition':
      return `partition ${fault.side.join(', ')} from all others for ${span(fault.forUs)}`
    case 'noise':
      return `network loses ${percent(fault.loss)}, duplicates ${percent(fault.duplicate)}, reorders ${percent(fault.reorder)}, delays up to ${span(fault.delayUs)}, for ${span(fault.forUs)}`
    case 'clock':
      return `wall clock of ${fault.node} jumps by ${fault.byUs < 0 ? '-' : '+'}${span(Math.abs(fault.byUs))}`
    case 'slow-disk':
      return `disk of ${fault.node} takes up to ${span(fault.syncUs)} for a sync, for ${span(fault.forUs)}`
    case 'full-disk':
      return `disk of ${fault.node} is full for ${span(fault.forUs)}`
    case 'roll':
      return `operator has the session go on in the ${fault.steps === 1 ? 'next one' : 'one after the next'}`
    case 'activate':
      return `operator activates ${fault.instance} of ${fault.component}`
  }
}

function after(us: number): string {
  return `after ${span(us)}`
}

function span(us: number): string {
  if (us >= 10_000_000) return `${(us / 1_000_000).toFixed(1)} s`
  if (us >= 1_000) return `${(us / 1000).toFixed(us >= 100_000 ? 0 : 1)} ms`
  return `${us} us`
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`
}
