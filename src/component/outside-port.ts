/** What a component's input sends through, while its replica is active. */
import type { Outbox } from '../protocol/outbox.js'
import type { Component, UntypedPort } from './definition.js'

/** @param nowUs monotonic microseconds @param sent something was appended */
export function createPort(
  component: Component,
  outbox: Outbox,
  signal: AbortSignal,
  nowUs: () => number,
  sent: () => void,
): UntypedPort {
  const { name: componentName, schema } = component
  return {
    signal,
    send: (name, payload) => {
      if (signal.aborted) throw new Error(`${componentName} is no longer active: its input must end`)
      const type = schema.typeOf(name)
      if (type === undefined) throw new Error(`${componentName}: '${name}' is no event of its schema`)
      if (outbox.isFull) throw new Error(`${componentName}: the outbox is full; await ready() before send`)
      outbox.append(type, schema.encode(name, payload), nowUs())
      sent()
    },
    ready: () => (outbox.isFull ? untilSpace(outbox, signal) : Promise.resolve()),
  }
}

/** Resolves at an abort, too: the caller's next `send` or look at the signal ends it. */
async function untilSpace(outbox: Outbox, signal: AbortSignal): Promise<void> {
  while (outbox.isFull && !signal.aborted) {
    await new Promise<void>((resolve) => {
      const aborted = (): void => resolve()
      signal.addEventListener('abort', aborted, { once: true })
      void outbox.space().then(() => {
        signal.removeEventListener('abort', aborted)
        resolve()
      })
    })
  }
}
