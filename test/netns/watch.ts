/**
 * Runs on a host of its own that all links reach: hears the event and the control stream, sends nothing. It prints what is said on the
 * control stream as JSON lines, and writes what is reported stable to a file.
 *
 * node watch.js SESSION ADDRESS EVENTGROUP CONTROLGROUP FILE
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { openSync, writeSync } from 'node:fs'
import { decodeControl } from '../../src/wire/control.js'
import { StableNotes } from './stable-notes.js'

const [session = '', address = '', eventGroup = '', controlGroup = '', file = ''] = process.argv.slice(2)
/** Statements that follow each other this fast are told as one, the last. */
const PRINT_EVERY_MS = 10
const RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024

const notesFile = openSync(file, 'w')
let unwritten: Buffer[] = []
const said = new Map<string, string>()
const violations = new Set<string>()
const notes = new StableNotes(
  session,
  (note) => unwritten.push(note),
  (text) => violations.add(text),
)

function print(): void {
  const lines = [...said.values(), ...[...violations].map((text) => JSON.stringify({ kind: 'violation', text }))]
  said.clear()
  violations.clear()
  if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`)
  if (unwritten.length > 0) writeSync(notesFile, Buffer.concat(unwritten))
  unwritten = []
}

async function listen(at: string, onPacket: (packet: Buffer, from: string) => void): Promise<void> {
  const [group = '', port = ''] = at.split(':')
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  socket.bind(Number(port), group)
  await once(socket, 'listening')
  socket.addMembership(group, address)
  socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES)
  socket.on('message', (packet, { address: from }) => onPacket(packet, from))
}

await listen(eventGroup, (packet) => notes.onPacket(packet))
await listen(controlGroup, (packet, from) => {
  const message = decodeControl(packet)
  if (message?.session !== session) return
  const { kind, sender, body } = message
  if (kind === 'sequencer') notes.onHeartbeat(sender, body)
  if (kind !== 'sequencer' && kind !== 'store' && kind !== 'component') return
  // What is told of a replica's state is enough: digests are asked for in another way.
  said.set(`${kind} ${sender}`, JSON.stringify({ kind, sender, from, body: { ...body, digest: undefined } }))
})
setInterval(print, PRINT_EVERY_MS)
process.stdin.resume()
process.stdin.once('end', () => {
  print()
  process.exit(0)
})
process.stdout.write('{"kind":"ready"}\n')
