/** Receives on one group and sends the same bytes on another: what a sequencer would do if it did nothing. */
import { childArgument, tellParent } from './children.js'
import { rawReceiver, rawSender } from './raw-socket.js'

interface EchoArgument {
  readonly from: { group: string; port: number }
  readonly to: { group: string; port: number }
}

const { from, to } = childArgument<EchoArgument>()
const sender = await rawSender(to.group, to.port)
const sent = (): void => {}
await rawReceiver(from.group, from.port, (packet) => sender.send(packet, sent))
tellParent({ ready: true })
