/** Counts datagrams, and tells its parent when asked. */

import { rawReceiver } from '../../src/cli/bench/raw-socket.js'
import { childArgument, tellParent } from './children.js'

const { group, port } = childArgument<{ group: string; port: number }>()
let received = 0
await rawReceiver(group, port, () => {
  received += 1
})
process.on('message', () => tellParent({ received }))
tellParent({ ready: true })
