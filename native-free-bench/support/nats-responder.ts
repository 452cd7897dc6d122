/** Answers each NATS request with the same bytes: the other side of request and reply. */
import { connect, type Msg } from '@nats-io/transport-node'
import { childArgument, tellParent } from './children.js'

const { port, subject } = childArgument<{ port: number; subject: string }>()
function answer(_error: Error | null, message: Msg): void {
  message.respond(message.data)
}

const connection = await connect({ port })
connection.subscribe(subject, { callback: answer })
await connection.flush()
tellParent({ ready: true })
