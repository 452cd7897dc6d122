/** A store that serves ten rewinding clients keeps recording the live stream: nothing is lost, and nobody gets a hole. */
import { test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import { DutyCycle } from '../../src/runtime/duty-cycle.js'
import { systemPlatform } from '../../src/runtime/platform.js'
import { RewindLink } from '../../src/runtime/rewind-link.js'
import { Load } from './load.js'
import { loadsOf, readRecording } from './recorded.js'
import { LOAD } from './tally.js'
import { World } from './world.js'

const CLIENTS = 10
const HISTORY = 100_000
const EVENTS_A_SECOND = 30_000

/** Reads the whole session over and over, each time from the first event, as often as it can. */
class Client {
  taken = 0
  rewinds = 0
  readonly problems: string[] = []
  #next = 1

  constructor(session: string, cycle: DutyCycle, address: { address: string; port: number }, untilEvents: number) {
    const link = new RewindLink(
      session,
      cycle,
      {
        started: () => {},
        run: (sequence, count) => {
          if (sequence !== this.#next) this.problems.push(`${sequence} instead of ${this.#next}`)
          this.#next = sequence + count
          this.taken += count
          if (this.#next <= untilEvents) return
          this.rewinds += 1
          setImmediate(again)
        },
        sessionEnded: () => {},
        ended: (reason) => this.problems.push(reason),
      },
      silentLogger,
    )
    const again = (): void => {
      link.stop()
      if (this.isOver) return
      this.#next = 1
      link.start(1, address)
    }
    cycle.add({ flush: () => {}, tick: (nowUs) => link.tick(nowUs) })
    again()
  }

  isOver = false
}

test('ten clients rewind while the store records', async (t) => {
  const world = await World.open(t)
  const store = world.startStore('a', '--voter', 'a')
  const sequencer = world.startSequencer('--voters', 'a')
  const roles = [store, sequencer]
  await world.until('the store', () => (world.store('a')?.durableSequence ?? 0) > 0, ...roles)
  const load = new Load(world.startSend(LOAD, '--rate', String(EVENTS_A_SECOND)))
  await world.until('a history', () => (world.store('a')?.durableSequence ?? 0) > HISTORY, ...roles)

  const cycle = new DutyCycle(systemPlatform(), 'block')
  cycle.start()
  const address = { address: '127.0.0.1', port: world.store('a')?.rewindPort ?? 0 }
  const clients = Array.from({ length: CLIENTS }, () => new Client(world.session, cycle, address, HISTORY))
  await world.until('every client to have all of it', () => clients.every(({ rewinds }) => rewinds > 0), ...roles)
  const recordedBefore = world.store('a')?.durableSequence ?? 0
  await world.until(
    'a second more to be recorded',
    () => (world.store('a')?.durableSequence ?? 0) > recordedBefore + EVENTS_A_SECOND,
    ...roles,
  )
  const { messages } = await load.end()
  const events = clients.reduce((sum, { taken }) => sum + taken, 0)
  for (const client of clients) client.isOver = true
  cycle.stop()
  t.comment(`${events} events were rewound while ${messages} were sent`)
  t.strictSame(
    clients.flatMap(({ problems }) => problems),
    [],
    'no client had a hole',
  )
  const { durableSequence: stable = 0 } = world.store('a') ?? {}
  await world.until('all to be durable', () => (world.store('a')?.durableSequence ?? 0) > messages, ...roles)
  const counters = world.store('a')?.counters ?? {}
  for (const name of ['lost-events', 'overflow', 'link.rewinds']) t.equal(counters[name] ?? 0, 0, name)
  t.ok(stable > 0)
  await world.stop(sequencer, store)
  const recording = await readRecording(world.storeDirectory('a'), world.session)
  const loads = loadsOf(recording.events)
  t.equal(loads.length, messages)
  t.ok(
    loads.every((n, i) => n === i + 1),
    'every command was recorded once, in order',
  )
})
