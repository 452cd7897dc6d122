/**
 * Tells a person how far the demo is: a bar on a terminal, plain lines elsewhere, nothing on stdout.
 */
import { SingleBar } from 'cli-progress'
import { count, dim } from '../output.js'

export interface DemoProgress {
  step(what: string): void
  note(what: string): void
  start(messages: number): void
  update(messages: number, events: number): void
  stop(): void
}

/** @param quiet true: say nothing at all */
export function createProgress(quiet: boolean): DemoProgress {
  const bar = new SingleBar({
    stream: process.stderr,
    format: 'orders flow  {bar}  {percentage} %  {value}/{total} messages  {events} events',
    barCompleteChar: '#',
    barIncompleteChar: '.',
    hideCursor: true,
    clearOnComplete: true,
    formatValue: (value, _options, type) => (type === 'percentage' ? String(value) : count(value)),
    stopOnComplete: false,
  })
  const onTerminal = process.stderr.isTTY === true && !quiet
  const say = (text: string): void => {
    if (!quiet) process.stderr.write(`${onTerminal ? dim(text) : text}\n`)
  }
  let running = false
  let total = 0
  return {
    step: (what) => say(`seqcast demo: ${what}`),
    note(what) {
      if (running && onTerminal) process.stderr.write('\n')
      say(`seqcast demo: ${what}`)
    },
    start(messages) {
      say(`seqcast demo: ${count(messages)} messages`)
      running = true
      total = messages
      if (onTerminal) bar.start(messages, 0, { events: '0' })
    },
    update(messages, events) {
      if (onTerminal) bar.update(Math.min(messages, total), { events: count(events) })
    },
    stop() {
      running = false
      if (onTerminal) bar.stop()
    },
  }
}
