/** A store as a voter, on real sockets: what it says, and when, to candidates and to the sequencer that reigns. */
import { createSocket } from 'node:dgram'
import { type Test, test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import { MulticastSender } from '../../src/net/udp.js'
import type { StoredPromise } from '../../src/protocol/voter.js'
import { ControlLink } from '../../src/runtime/control-link.js'
import { DutyCycle } from '../../src/runtime/duty-cycle.js'
import { type RoleOptions, STATUS_EVERY_US } from '../../src/runtime/options.js'
import { randomIncarnation, systemPlatform, systemTimers } from '../../src/runtime/platform.js'
import { type Recording, type StoreRole, startStore } from '../../src/runtime/store-role.js'
import { type PromiseKeeper, promiseInMemory } from '../../src/runtime/store-voter.js'
import { MemoryEventLog } from '../../src/store/memory-event-log.js'
import { writeU16 } from '../../src/wire/bytes.js'
import type { ControlMessage, Grant, SequencerHeartbeat, StoreStatus } from '../../src/wire/control.js'
import { EVENT_EPOCH_AT, EVENT_HEADER_BYTES, WHOLE_MESSAGE, writeCommandHeader } from '../../src/wire/event.js'
import {
  SESSION_ENDED,
  SESSION_STARTED,
  sessionEndedCodec,
  sessionStartedCodec,
} from '../../src/wire/runtime-events.js'
import { eventBlocks, eventPacket, SESSION } from '../fixtures/event-packets.js'

const GIVE_UP_MS = 5_000

async function streams(): Promise<RoleOptions> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(() => resolve()))
  return {
    session: SESSION,
    interfaceAddress: '127.0.0.1',
    eventGroup: { group: '239.255.92.1', port },
    commandGroup: { group: '239.255.92.2', port },
    controlGroup: { group: '239.255.92.3', port },
    stores: [],
    datagramBytes: 1_400,
    idle: 'block',
    logger: silentLogger,
  }
}

/** A candidate or sequencer, played by the test. */
class Player {
  readonly heard: ControlMessage[] = []
  readonly control: ControlLink
  readonly #events: MulticastSender
  #wake: () => void = () => {}

  private constructor(control: ControlLink, events: MulticastSender) {
    this.control = control
    this.#events = events
    control.listen((message) => {
      this.heard.push(message)
      this.#wake()
    })
  }

  static async open(t: Test, options: RoleOptions): Promise<Player> {
    const cycle = new DutyCycle(systemPlatform(), 'block')
    cycle.start()
    const control = await ControlLink.open(options, randomIncarnation(), cycle, () => {})
    const { interfaceAddress } = options
    const events = await MulticastSender.open({ ...options.eventGroup, interfaceAddress, onError: () => {} })
    t.teardown(() => {
      control.close()
      events.close()
      cycle.stop()
    })
    return new Player(control, events)
  }

  claim(epoch: number): void {
    this.control.send('claim', { epoch, name: 'test' })
  }

  /** @param table epochs with the sequences that open them */
  reign(
    table: readonly (readonly [number, number])[],
    nextSequence: number,
    more: Partial<SequencerHeartbeat> = {},
  ): void {
    const epochTable = table.map(([epoch, sequence]) => ({ epoch, sequence }))
    const epoch = epochTable.at(-1)?.epoch ?? 0
    const state = { state: 'open', held: false, requestPort: 0, counters: {}, lives: {} }
    const stable = { stableSequence: 0, publishedIsStable: false }
    this.control.send('sequencer', { epoch, nextSequence, epochTable, ...stable, ...state, ...more })
  }

  publish(first: number, count: number, epoch: number): void {
    this.#events.send(eventPacket(first, count, epoch))
  }

  get grants(): Grant[] {
    return this.heard.flatMap((message) => (message.kind === 'grant' ? [message.body] : []))
  }

  get statuses(): StoreStatus[] {
    return this.heard.flatMap((message) => (message.kind === 'store' ? [message.body] : []))
  }

  /** Resolves when it holds. */
  async until(holds: () => boolean): Promise<void> {
    const timeout = setTimeout(() => this.#wake(), GIVE_UP_MS)
    const deadline = performance.now() + GIVE_UP_MS
    while (!holds()) {
      if (performance.now() > deadline) throw new Error(`heard only ${JSON.stringify(this.heard.slice(-5))}`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    clearTimeout(timeout)
  }

  async untilStatus(holds: (status: StoreStatus) => boolean): Promise<StoreStatus> {
    await this.until(() => this.statuses.some(holds))
    return this.statuses.find(holds) as StoreStatus
  }
}

interface Voting {
  readonly player: Player
  readonly store: StoreRole
  readonly log: MemoryEventLog
}

async function voting(t: Test, promises: PromiseKeeper, recorded = 0): Promise<Voting> {
  const options = await streams()
  const player = await Player.open(t, options)
  const log = new MemoryEventLog({ session: SESSION })
  const blocks = eventBlocks(1, recorded)
  if (recorded > 0) log.append(1, recorded, blocks, 0, blocks.length, 1)
  log.sync()
  const ports = { requestPort: 0, rewindPort: 0 }
  const store = await startStore({ ...options, name: 'a', voter: 'a', ...ports, log, promises })
  t.teardown(() => store.stop('test').catch(() => {}))
  return { player, store, log }
}

/** A voter that has its vote, and has promised this epoch. */
function promised(epoch: number): PromiseKeeper {
  return { ...promiseInMemory(systemTimers), stored: { epoch, candidate: 7, life: 5, lives: { a: 5 } } }
}

test('a claim is answered when the promise is kept, not before, with the ports of the store', async (t) => {
  const written: { promise: StoredPromise; done: () => void }[] = []
  const promises: PromiseKeeper = { ...promised(1), write: (promise, done) => written.push({ promise, done }) }
  const { player, store } = await voting(t, promises, 10)
  player.claim(2)
  await player.untilStatus(() => written.length > 0)
  t.match(written[0]?.promise, { epoch: 2, candidate: player.control.sender })
  player.claim(2)
  const waited = player.statuses.length + 2
  await player.until(() => player.statuses.length >= waited)
  t.same(player.grants, [], 'the disk is busy: nothing is said')
  t.ok(
    player.statuses.slice(1).every(({ epoch }) => epoch === 0),
    'and nothing is acknowledged',
  )
  written[0]?.done()
  await player.until(() => player.grants.length > 0)
  const { requestPort, rewindPort } = store
  const grant = { epoch: 2, candidate: player.control.sender, voter: 'a', lastEpoch: 1, durableSequence: 10 }
  t.match(player.grants[0], { ...grant, requestPort, rewindPort, epochTable: [{ epoch: 1, sequence: 1 }] })
  player.claim(1)
  await player.until(() =>
    player.heard.some((message) => message.kind === 'claimRefused' && message.body.promised === 2),
  )
})

test('a promise that cannot be kept stops the store', async (t) => {
  const promises: PromiseKeeper = {
    ...promised(1),
    write: (_promise, done) => setImmediate(done, new Error('no room')),
  }
  const { player, store } = await voting(t, promises, 10)
  player.claim(2)
  await t.rejects(store.done, { code: 'E_STORE_IO', message: /promise of epoch 2/ })
  t.same(player.grants, [])
})

test('acknowledgements name the reign: none before its table was heard, then at once', async (t) => {
  const { player } = await voting(t, promised(1), 10)
  await player.untilStatus(({ epoch, durableSequence }) => epoch === 0 && durableSequence === 10)
  player.reign([[1, 1]], 11)
  await player.untilStatus(
    ({ epoch, promised, durableSequence }) => epoch === 1 && promised === 1 && durableSequence === 10,
  )
  const waits: number[] = []
  for (let sequence = 11; sequence < 31; sequence++) {
    const startMs = performance.now()
    player.publish(sequence, 1, 1)
    await player.untilStatus(({ epoch, durableSequence }) => epoch === 1 && durableSequence === sequence)
    waits.push(performance.now() - startMs)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const median = waits.sort((a, b) => a - b)[10] ?? 0
  t.ok(median * 1_000 < STATUS_EVERY_US / 4, `an acknowledgement waits for no status: ${median} ms`)
})

test('the tail of a lost branch goes, and the branch that lives is recorded in its place', async (t) => {
  const { player, store, log } = await voting(t, promised(1), 10)
  player.claim(2)
  await player.until(() => player.grants.length > 0)
  const table = [[1, 1], [2, 6]] as const // biome-ignore format: a table
  player.reign(table, 9)
  const cut = await player.untilStatus(({ epoch, durableSequence }) => epoch === 2 && durableSequence === 5)
  t.equal(cut.lastEpoch, 1)
  player.publish(6, 3, 2)
  const whole = await player.untilStatus(({ epoch, durableSequence }) => epoch === 2 && durableSequence === 8)
  t.match(whole, { lastEpoch: 2, promised: 2 })
  t.same(log.epochTable, [{ epoch: 1, sequence: 1 }, { epoch: 2, sequence: 6 }]) // biome-ignore format: a table
  player.publish(9, 1, 1)
  player.publish(9, 2, 2)
  await player.untilStatus(({ epoch, durableSequence }) => epoch === 2 && durableSequence === 10)
  t.equal(log.lastEpoch, 2, 'what the loser still sends is not recorded')
  t.equal(store.log.nextSequence, 11)
})

test('a restarted voter that recorded several epochs goes on where it was', async (t) => {
  const options = await streams()
  const player = await Player.open(t, options)
  const log = new MemoryEventLog({ session: SESSION })
  for (const [first, epoch] of [
    [1, 1],
    [6, 2],
  ] as const) {
    // biome-ignore format: a table
    const blocks = eventBlocks(first, 5, epoch)
    log.append(first, 5, blocks, 0, blocks.length, 1)
  }
  log.sync()
  const ports = { requestPort: 0, rewindPort: 0 }
  const store = await startStore({ ...options, name: 'a', voter: 'a', ...ports, log, promises: promised(2) })
  t.teardown(() => store.stop('test'))
  player.reign([[1, 1]], 20)
  player.reign([[1, 1], [2, 6]], 12) // biome-ignore format: a table
  player.publish(11, 1, 2)
  await player.untilStatus(({ epoch, durableSequence }) => epoch === 2 && durableSequence === 11)
  t.equal(log.lastEpoch, 2)
  const after = player.statuses.length
  const isWhole = ({ counters }: StoreStatus): boolean => counters['delivered-events'] === 1
  await player.until(() => player.statuses.slice(after).some(isWhole))
  t.equal(player.statuses.find(isWhole)?.counters.revocations, undefined, 'it knew its epochs, and revoked nothing')
})

test('a copy follows the branch that lives, and acknowledges nothing', async (t) => {
  const options = await streams()
  const player = await Player.open(t, options)
  const log = new MemoryEventLog({ session: SESSION })
  const blocks = eventBlocks(1, 10)
  log.append(1, 10, blocks, 0, blocks.length, 1)
  const store = await startStore({ ...options, name: 'c', voter: '', requestPort: 0, rewindPort: 0, log })
  t.teardown(() => store.stop('test'))
  player.claim(2)
  // No voter has said that it promised that epoch: who goes on speaking is believed a little later.
  const speak = setInterval(() => player.reign([[1, 1], [2, 6]], 8), 40) // biome-ignore format: a table
  t.teardown(() => clearInterval(speak))
  await player.untilStatus(({ counters }) => (counters.truncations ?? 0) > 0)
  player.publish(6, 2, 2)
  const status = await player.untilStatus(({ durableSequence }) => durableSequence === 7)
  t.match(status, { voter: '', epoch: 0, promised: 0, lastEpoch: 2 })
  t.same(player.grants, [])
})

test('however many sessions a store is asked to make ready, it opens one at a time and keeps few', async (t) => {
  const options = await streams()
  const player = await Player.open(t, options)
  const opened: MemoryEventLog[] = []
  let [opening, atOnce] = [0, 0]
  const open = async (session: string): Promise<Recording> => {
    atOnce = Math.max(atOnce, ++opening)
    await new Promise((resolve) => setTimeout(resolve, 2))
    opening -= 1
    const log = new MemoryEventLog({ session })
    opened.push(log)
    return { log }
  }
  const recordings = { has: () => false, open }
  const log = new MemoryEventLog({ session: SESSION })
  const store = await startStore({
    ...{ ...options, name: 'a', voter: 'a', requestPort: 0, rewindPort: 0, log, recordings },
    promises: promised(1),
  })
  t.teardown(() => store.stop('test').catch(() => {}))
  const ask = (instance: string, nonce: number): void => {
    const request = { nonce, action: 'prepare-session', component: '', instance, incarnation: 0, expectedTerm: 0 }
    player.control.send('adminRequest', { ...request, reason: '' })
  }
  for (let i = 1; i <= 60; i++) {
    ask(`MADE${i}`, i)
    if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const again = setInterval(() => ask('LAST', 100), 10)
  await player.until(() => player.heard.some(({ kind, body }) => kind === 'adminReply' && body.nonce === 100))
  clearInterval(again)
  t.equal(atOnce, 1)
  t.ok(opened.length > 4, `${opened.length} were opened`)
  t.equal(opened.at(-1)?.session, 'LAST', 'who asks again is served')
})

test('a session that may follow is promised at once, and that is said when the end that names it is on the disk', async (t) => {
  const options = await streams()
  const player = await Player.open(t, options)
  const next = 'TEST02'
  const candidate = await Player.open(t, { ...options, session: next })
  const logs = new Map<string, MemoryEventLog>()
  const open = async (session: string): Promise<Recording> => {
    const log = new MemoryEventLog({ session })
    logs.set(session, log)
    return { log, promises: promiseInMemory(systemTimers) }
  }
  const recordings = { has: () => false, open }
  const log = new MemoryEventLog({ session: SESSION, durable: 'manual' })
  const start = ownBlock(1, SESSION_STARTED, sessionStartedCodec.encode(STARTED))
  log.append(1, 1, start, 0, start.length, 1)
  log.sync()
  const ports = { requestPort: 0, rewindPort: 0 }
  const store = await startStore({
    ...options,
    name: 'a',
    voter: 'a',
    ...ports,
    log,
    recordings,
    promises: promised(1),
  })
  t.teardown(() => store.stop('test').catch(() => {}))
  player.reign([[1, 1]], 2)
  const request = { action: 'prepare-session', component: '', instance: next, incarnation: 0, expectedTerm: 0 }
  player.control.send('adminRequest', { ...request, nonce: 9, reason: '' })
  await player.until(() => player.heard.some(({ kind, body }) => kind === 'adminReply' && body.nonce === 9))
  const saidTwiceMore = async (): Promise<void> => {
    const wanted = player.statuses.length + 2
    await player.until(() => player.statuses.length >= wanted)
  }
  candidate.claim(1)
  await saidTwiceMore()
  t.same(candidate.grants, [], 'the session goes on')
  const blocks = ownBlock(2, SESSION_ENDED, sessionEndedCodec.encode({ reason: 'test', successor: next }))
  log.append(2, 1, blocks, 0, blocks.length, 1)
  candidate.claim(1)
  await saidTwiceMore()
  t.same(candidate.grants, [], 'its end is not on the disk')
  log.sync()
  await candidate.until(() => candidate.grants.length > 0)
  t.match(candidate.grants[0], { epoch: 1, voter: 'a', life: 5, lives: { a: 5 }, durableSequence: 0 })
  t.equal(candidate.grants[0]?.rewindPort, store.rewindPort)
  await saidTwiceMore()
  t.same(
    player.statuses.map(({ successor }) => successor).filter(Boolean),
    [],
    'nor does it say that the session goes on',
  )
  t.match(candidate.statuses, candidate.statuses.map(() => ({ state: 'waiting', promised: 0 })), 'what it promised is for the candidate to know') // biome-ignore format: one line
  player.reign([[1, 1]], 3, { state: 'ending', stableSequence: 2 })
  await candidate.untilStatus(({ promised }) => promised === 1)
})

const STARTED = {
  ...{ session: SESSION, protocolVersion: 1, datagramBytes: 1_400, fragmentBytes: 1_342, voters: ['a'] },
  ...{ predecessor: '', predecessorSequence: 0, seeders: [], staticEvents: 0, staticHash: '' },
}

/** The block of an event of the sequencer. */
function ownBlock(sequence: number, type: number, payload: Uint8Array): Uint8Array {
  const event = new Uint8Array(EVENT_HEADER_BYTES + payload.length)
  writeCommandHeader(event, 0, type, 0, sequence, WHOLE_MESSAGE)
  writeU16(event, EVENT_EPOCH_AT, 1)
  event.set(payload, EVENT_HEADER_BYTES)
  return Uint8Array.from([event.length >>> 8, event.length & 0xff, ...event])
}
