/** What `--idle spin` does to a raw socket: the event loop stays hot. */

/** Keeps the event loop hot until stopped. @returns the call that stops it */
export function spin(): () => void {
  let running = true
  const loop = (): void => {
    if (running) setImmediate(loop)
  }
  setImmediate(loop)
  return () => {
    running = false
  }
}
