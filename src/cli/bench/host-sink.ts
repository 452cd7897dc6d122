/** Where a rewind ends: a component's host that handles, and says nothing. */
import { ComponentHost } from '../../component/host.js'
import { fillCounter } from './messages.js'

export function createHostSink(session: string): ComponentHost {
  return new ComponentHost(
    fillCounter(),
    { session, instance: 'bench', incarnation: 1, mode: 'replay', guard: true },
    {
      sendCommands: () => {},
      stateChanged: () => {},
      failed: (error) => {
        throw error
      },
    },
  )
}
