/** Receives on one group and sends the same bytes on another: what a sequencer would do if it did nothing. */

import { rawReceiver, rawSender } from '../../src/cli/bench/raw-socket.js'
import { childArgument, tellParent } from './children.js'
import { spin } from './spin.js'

interface EchoArgument {
  readonly from: { group: string; port: number }
  readonly to: { group: string; port: number }
  readonly idle: 'spin' | 'block'
}

const { from, to, idle } = childArgument<EchoArgument>()
const sender = await rawSender(to.group, to.port)
const sent = (): void => {}
await rawReceiver(from.group, from.port, (packet) => sender.send(packet, sent))
if (idle === 'spin') spin()
tellParent({ ready: true })
