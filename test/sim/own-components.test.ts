/** The simulation with components of a user's own: they run on its network and through its faults, and what is wrong in them shows. */
import {
  type Component,
  defineComponent,
  defineSchema,
  describeFailure,
  type Schema,
  type SimComponent,
  type SimObserver,
  simulate,
  Violation,
} from 'seqcast'
import { test } from 'tap'

interface Messages {
  Deposited: { id: number; cents: number }
  Confirmed: { id: number; balance: number }
}

const schema: Schema<Messages> = defineSchema<Messages>({
  package: 'bank',
  messages: {
    Deposited: { type: 256, fields: { id: { id: 1, type: 'uint32' }, cents: { id: 2, type: 'uint32' } } },
    Confirmed: { type: 257, fields: { id: { id: 1, type: 'uint32' }, balance: { id: 2, type: 'uint32' } } },
  },
  enums: {},
})

interface Account {
  lastId: number
  balance: number
  confirmed: number
}

const DEPOSITS = 20

/** A bank that brings in twenty deposits, one every 50 ms, and confirms each. */
function bank(balanceOf: (account: Account) => number = ({ balance }) => balance): SimComponent {
  return {
    name: 'bank',
    replicas: 2,
    create: (_process, time): Component =>
      defineComponent({
        name: 'bank',
        schema,
        state: (): Account => ({ lastId: 0, balance: 0, confirmed: 0 }),
        on: {
          Deposited(state, { payload }, ctx) {
            if (payload.id <= state.lastId) return
            state.lastId = payload.id
            state.balance += payload.cents
            ctx.send('Confirmed', { id: payload.id, balance: balanceOf(state) })
          },
          Confirmed(state) {
            state.confirmed += 1
          },
        },
        input: async (port, state) => {
          for (let id = state.lastId + 1; id <= DEPOSITS && !port.signal.aborted; id++) {
            await time.sleep(50_000)
            await port.ready()
            if (!port.signal.aborted) port.send('Deposited', { id, cents: 100 })
          }
        },
      }),
  }
}

const isBankDone = (host: { applicationState: unknown } | undefined): boolean =>
  (host?.applicationState as Account | undefined)?.confirmed === DEPOSITS

test("a user's own component goes through faults", async (t) => {
  const starts: number[] = []
  const balances = new Set<number>()
  const report = await simulate({
    seed: 11,
    runs: 3,
    components: [bank()],
    observers: () => [
      {
        started: ({ component, start }) => {
          if (component === 'bank') starts.push(start)
        },
        converged: ({ hosts }) => {
          for (const { host } of hosts) balances.add((host.applicationState as Account).balance)
        },
      } satisfies SimObserver,
    ],
    unfinished: ({ hosts }) =>
      hosts.every(({ host }) => isBankDone(host)) ? undefined : 'not every deposit is confirmed',
  })
  t.strictSame(
    report.failures.map((failure) => describeFailure(failure, 'npm run sim --')),
    [],
  )
  t.equal(report.runs, 3)
  t.strictSame([...balances], [DEPOSITS * 100], 'each deposit counted once, on every replica')
  t.ok(starts.length >= 6)
})

test('handlers that depend on more than the events are found out', async (t) => {
  let calls = 0
  const { failures } = await simulate({ seed: 1, faults: [], components: [bank(() => calls++)], shrinkTries: 0 })
  t.equal(failures.length, 1)
  const [failure] = failures
  t.match(failure?.report.violation?.message, /E_NONDETERMINISM|came back with other bytes|bank/)
})

test("what a user's observer throws fails the run, with a schedule made small", async (t) => {
  let runs = 0
  const report = await simulate({
    seed: 21,
    components: [bank()],
    observers: () => [
      {
        started: () => {
          runs++
        },
        faultsOver: () => {
          throw new Violation('liveness', 'nobody likes the end of faults')
        },
      },
    ],
  })
  const [failure] = report.failures
  t.ok(failure !== undefined && failure.report.faults.length > 0)
  t.strictSame(failure?.only, [], 'no fault is needed for it')
  t.match(
    failure === undefined ? '' : describeFailure(failure, 'npm run sim --'),
    /VIOLATION of liveness with seed 21[\s\S]*nobody likes[\s\S]*none[\s\S]*--seed 21 --only none --verbose/,
  )
  t.ok(runs > 0)
})

test('seeds that no run can have', async (t) => {
  for (const seed of [-1, 0.5, 2 ** 40]) await t.rejects(simulate({ seed }), RangeError)
})
