/** A port that another process has: found before anything is written, and said with the flag that chooses another one. */
import { SeqcastError } from '../core/errors.js'
import { TcpListener } from '../net/tcp.js'
import { UnicastSocket } from '../net/udp.js'

/** Names the flag in the hint of an error about a port; hands on every other error. */
export async function withPortHint<T>(flag: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof SeqcastError) || error.code !== 'E_PORT_IN_USE') throw error
    const hint = `stop the other process, or choose another port with ${flag}; 0 takes a free one`
    throw new SeqcastError(error.code, error.message, { hint, fields: error.fields, cause: error })
  }
}

/** Opens a store's ports and closes them again. @throws SeqcastError E_PORT_IN_USE, E_INTERFACE */
export async function checkStorePorts(at: {
  readonly address: string
  readonly requestPort: number
  readonly rewindPort: number
}): Promise<void> {
  const { address, requestPort, rewindPort } = at
  const ignore = (): void => {}
  const requests = await withPortHint('--request-port', () =>
    UnicastSocket.open({ port: requestPort, interfaceAddress: address, onError: ignore }, ignore),
  )
  requests.close()
  const rewinds = await withPortHint('--rewind-port', () =>
    TcpListener.open({ address, port: rewindPort }, () => undefined),
  )
  await rewinds.close(0)
}
