/** `inspect`, and `replay` by hand: what a state was, what changed it, and why. */
import { fileURLToPath } from 'node:url'
import { t as root, test } from 'tap'
import { type Stage, stage } from '../fixtures/processes.js'
import { ORDER_MANAGER, ORDER_ROUTER, recordOrders } from '../fixtures/recorded-orders.js'

const FAILING = fileURLToPath(new URL('../fixtures/failing-component.js', import.meta.url))
const json = (lines: readonly string[]): Record<string, unknown>[] => lines.map((line) => JSON.parse(line))

async function record() {
  const s: Stage = await stage(root)
  const orders = await recordOrders(s.path('store'))
  const of = ['--dir', s.path('store'), '--session', orders.session, '--run', ORDER_MANAGER]
  return { ...s, ...orders, inspect: ['inspect', ...of], replay: ['replay', ...of] }
}

const recording = record()

test('the state at a moment', async (t) => {
  const s = await recording
  const at = s.sequences.get(103) ?? 0
  const end = json((await s.run([...s.inspect, '--json'])).lines)
  t.match(end, [
    { component: 'order-manager', sequence: s.lastSequence, digest: s.digest, timers: [], commandsUnderWay: 0 },
  ])
  t.match(end[0]?.state, { instruments: ['AAPL'], open: { 110: 1_000 }, lastKey: 20 })
  const there = json((await s.run([...s.inspect, '--at', String(at), '--path', 'open', '--json'])).lines)
  t.match(there, [{ sequence: at, path: 'open', event: { name: 'OrderPending', payload: { orderId: 103 } } }])
  t.strictSame(there[0]?.state, { 101: 100, 102: 200, 103: 300 })
  const byTime = json((await s.run([...s.inspect, '--at', '09:00:02.5', '--json'])).lines)
  t.equal(byTime[0]?.sequence, at + 1, 'the last event of that time: the order is accepted')
  const plain = await s.run([...s.inspect, '--at', String(at)])
  t.match(plain.lines[0], `order-manager after event ${at} of session ORDERS, 2026-01-05 09:00:02.500000 UTC`)
  t.match(plain.lines[1], /^event +\d+ +09:00:02\.500000 .*OrderPending .*orderId: 103/)
  t.match(plain.lines.join('\n'), /commands +1 command issued and not sequenced yet\nstate\n/)
  t.match(plain.lines.join('\n'), /open +Map\(3\) \{ 101: 100, 102: 200, 103: 300 \}/)
  t.notMatch(plain.stdout.toString(), '\x1b', 'no colours but on a terminal')
  const before = await s.run([...s.inspect, '--at', '08:00'])
  t.match(before.lines[0], /after event 0 .* before its first event/)
  const early = json((await s.run([...s.inspect, '--at', String(s.lastSequence), '--from-checkpoint', '--json'])).lines)
  t.strictSame({ ...early[0] }, { ...end[0] }, 'the same from a checkpoint')
})

test('what changed between two moments', async (t) => {
  const s = await recording
  const [from, to] = [s.sequences.get(102) ?? 0, s.sequences.get(104) ?? 0]
  const diff = json((await s.run([...s.inspect, '--diff', String(from), String(to), '--json'])).lines)
  t.match(diff, [{ component: 'order-manager', from, to, total: 5 }])
  t.strictSame(diff[0]?.changes, [
    { kind: 'added', path: 'ids[103]', after: 103 },
    { kind: 'added', path: 'ids[104]', after: 104 },
    { kind: 'added', path: 'open[103]', after: 300 },
    { kind: 'added', path: 'open[104]', after: 400 },
    { kind: 'changed', path: 'lastKey', before: 4, after: 8 },
  ])
  const plain = await s.run([...s.inspect, '--diff', String(to), String(from), '--path', 'open'])
  t.match(plain.lines[0], /2 changes by \d+ events$/)
  t.strictSame(plain.lines.slice(1), ['+ [103]  300', '+ [104]  400'])
})

test('why an order is as it is', async (t) => {
  const s = await recording
  const why = json((await s.run([...s.inspect, '--run', ORDER_ROUTER, '--why', 'orderId=104', '--json'])).lines)
  t.match(why, [
    {
      name: 'OrderPending',
      isNamed: true,
      parts: [
        {
          component: 'order-manager',
          changes: [{ path: 'ids[104]' }, { path: 'open[104]', after: 400 }],
          commands: [{ name: 'OrderAccepted' }],
        },
      ],
    },
    { name: 'OrderAccepted', parts: [{ component: 'order-router', commands: [{ name: 'OrderRouted' }] }] },
    { name: 'CancelRequested', parts: [{ commands: [{ name: 'CancelAccepted' }] }] },
    { name: 'CancelAccepted', parts: [{ component: 'order-router' }] },
    { total: 4, left: 0, now: [{ component: 'order-manager' }, { component: 'order-router' }] },
  ])
  const plain = await s.run([...s.inspect, '--why', '104', '--path', 'open'])
  t.match(plain.lines[0], /^104 in order-manager: 4 events of/)
  t.match(plain.lines[1], /09:00:03\.500000 .*OrderPending .*orderId: 104/)
  t.strictSame(plain.lines.slice(2, 3), ['          + open[104]  400'])
  t.match(plain.lines[3], /> sends OrderAccepted .*orderId: 104/)
  t.strictSame(plain.lines.slice(-2), [`after event ${s.lastSequence}:`, '  open[104]  400'])
  const part = await s.run([...s.inspect, '--why', '104', '--from-time', '09:00:04', '--limit', '1'])
  t.match(part.lines[0], /2 events of/)
  t.match(part.lines.join('\n'), /… and 1 more event \(--limit/)
})

test('step by step', async (t) => {
  const s = await recording
  const at = s.sequences.get(102) ?? 0
  const orders = `g ${at - 1}\n\np open\nu\nn 2\nb payload.orderId === 104\nc\nw open[105]\nc\nc\nt\nq\nn\n`
  const stepped = await s.run([...s.replay, '--step', '--json'], orders)
  t.equal(stepped.status, 0, stepped.stderr)
  t.match(json(stepped.lines), [
    { why: 'step', sequence: at - 1 },
    {
      why: 'step',
      sequence: at,
      name: 'OrderPending',
      parts: [{ changes: [{ path: 'ids[102]' }, {}, {}], changesTotal: 3 }],
    },
    { component: 'order-manager', sequence: at, path: 'open', state: { 101: 100, 102: 200 } },
    { why: 'step', sequence: at - 1 },
    { why: 'step', sequence: at, parts: [{ changesTotal: 3, commands: [{ name: 'OrderAccepted' }] }] },
    { why: 'step', sequence: at + 1 },
    { why: 'break', breakpoint: 'payload.orderId === 104', sequence: s.sequences.get(104) },
    { why: 'break', breakpoint: 'payload.orderId === 104', name: 'OrderAccepted' },
    { why: 'break', breakpoint: 'payload.orderId === 104', name: 'CancelRequested' },
    { component: 'order-manager', timers: [] },
  ])
  t.equal(json(stepped.lines).length, 10, 'nothing after q')
  const text = await s.run([...s.replay, '--step', '--from-seq', String(at)], 'n\nn 1000')
  t.match(text.lines[0], new RegExp(`^ +${at} +09:00:01\\.500000 .*OrderPending`))
  t.match(text.lines.at(-1), `nothing follows event ${s.lastSequence}`)
  const wrong = await s.run([...s.replay, '--step'], 'jump')
  t.strictSame([wrong.status, wrong.code], [2, 'E_USAGE'])
})

test('up to a breakpoint', async (t) => {
  const s = await recording
  const stop = await s.run([...s.replay, '--break', 'state.open.size === 3', '--path', 'open'])
  t.equal(stop.status, 0, stop.stderr)
  t.match(stop.lines[0], 'stopped: state.open.size === 3')
  t.match(stop.lines[1], new RegExp(`^ +${s.sequences.get(103)} .*OrderPending`))
  t.strictSame(stop.lines.slice(-2), ['order-manager open', '  Map(3) { 101: 100, 102: 200, 103: 300 }'])
  const type = await s.run([...s.replay, '--break-on', 'CancelRequested', '--json'])
  t.match(json(type.lines), [{ why: 'break', breakpoint: 'on CancelRequested', payload: { orderId: 101 } }])
  const watch = await s.run([
    ...s.replay,
    '--watch',
    'open[107]',
    '--from-checkpoint',
    String(s.checkpointAt),
    '--json',
  ])
  t.match(json(watch.lines), [{ why: 'break', sequence: s.sequences.get(107) }])
  const astray = await s.run([...s.replay, '--break', 'state.opne.size > 3'])
  t.match(astray.lines[0], /never reached: state.opne.size > 3 \(it fails at every event: .*undefined.*\)/)
  const never = await s.run([...s.replay, '--break', 'state.open.size > 100', '--json'])
  t.match(json(never.lines), [{ why: 'end', sequence: s.lastSequence }])
})

test('from a checkpoint', async (t) => {
  const s = await recording
  const report = json((await s.run([...s.replay, '--from-checkpoint', '--json'])).lines)
  t.match(report, [{ after: s.checkpointAt, sequence: s.lastSequence, digest: s.digest, digestsVerified: 1 }])
  const two = await s.run([...s.replay, '--run', ORDER_ROUTER, '--from-checkpoint'])
  t.match(two.stderr, 'no checkpoint of order-router can be used')
  t.match(two.lines, [
    /^2 components: events of session ORDERS replayed/,
    /^component/,
    /^order-manager +\d+/,
    /^order-router +0/,
  ])
  const none = await s.run([...s.replay, '--from-checkpoint', '1'])
  t.strictSame([none.status, none.code], [1, 'E_CHECKPOINT'])
  t.match(none.stderr, `there are those after events ${s.checkpointAt}`)
})

test('wrong usage', async (t) => {
  const s = await recording
  const wrong: [string[], number, string][] = [
    [[...s.inspect, '--at', '1', '--why', '1'], 2, 'E_USAGE'],
    [[...s.inspect, '--at', 'noon'], 2, 'E_CONFIG'],
    [[...s.inspect, '--diff', '1'], 2, 'E_USAGE'],
    [[...s.inspect, '--path', 'closed'], 2, 'E_USAGE'],
    [[...s.inspect, '--at', '1', '--from-checkpoint', String(s.checkpointAt)], 2, 'E_USAGE'],
    [[...s.inspect, '--run', ORDER_MANAGER], 2, 'E_USAGE'],
    [[...s.replay, '--break', 'state.x = 1'], 2, 'E_USAGE'],
    [[...s.replay, '--from-time', '10:00', '--to-time', '09:00'], 2, 'E_USAGE'],
  ]
  const failing = await s.run([...s.inspect.slice(0, 5), '--run', FAILING])
  t.strictSame([failing.status, failing.code], [1, 'E_HANDLER'])
  t.match(failing.stderr, `--at ${(s.sequences.get(103) ?? 0) - 1} shows the state before it`)
  const results = await Promise.all(wrong.map(([args]) => s.run(args)))
  for (const [i, [args, status, code]] of wrong.entries()) {
    t.strictSame([results[i]?.status, results[i]?.code], [status, code], args.slice(7).join(' '))
  }
  const empty = await s.run([...s.replay, '--from-time', '10:00', '--json'])
  t.match(json(empty.lines), [{ sequence: s.lastSequence, ended: 'complete' }], 'nothing of it keeps the pace')
  t.equal(json(empty.lines)[0]?.events, 0, 'there is none in that range')
  const none = await s.run([...s.replay, '--from-time', '10:00'])
  t.match(none.lines[0], `0 events of session ORDERS replayed, after ${s.lastSequence} events before the range in`)
  const last = await s.run([...s.replay, '--from-seq', String(s.lastSequence)])
  t.match(last.lines[0], `1 event of session ORDERS replayed, after ${s.lastSequence - 1} events before the range in`)
})

test('what is not there is said', async (t) => {
  const s = await recording
  const field = await s.run([...s.inspect, '--why', 'ordreId=104'])
  t.strictSame([field.status, field.code], [2, 'E_USAGE'])
  t.match(field.stderr, /no event of session ORDERS has a field 'ordreId'[\s\S]*orderId/)
  const nothing = await s.run([...s.inspect, '--why', 'zz'])
  t.strictSame([nothing.status, nothing.lines.at(-1)], [1, 'nothing was found: no event names zz, and no state has it'])
  const machine = await s.run([...s.inspect, '--why', 'orderId=99999', '--json'])
  t.strictSame([machine.status, json(machine.lines).length], [1, 1], 'a field that is known, and a key that is not')
  t.match(json(machine.lines), [{ total: 0 }])
  const ofRuntime = await s.run([...s.inspect, '--why', 'component=order-manager'])
  t.equal(ofRuntime.status, 0, `events of the runtime have fields, too: ${ofRuntime.stderr}`)
  const small = ['--dir', s.path('store'), '--session', 'orders', '--run', ORDER_MANAGER]
  for (const command of ['inspect', 'replay', 'compare']) {
    const session = await s.run([command, ...small, ...(command === 'compare' ? ['--run', ORDER_MANAGER] : [])])
    t.strictSame([session.status, session.code], [1, 'E_SESSION_UNKNOWN'])
    t.match(session.stderr, 'did you mean ORDERS?')
  }
  const misspelt = await s.run([...s.replay, '--break', 'payload.ordreId === 104'])
  t.equal(misspelt.status, 0, misspelt.stderr)
  t.match(misspelt.lines[0], 'never reached: payload.ordreId === 104 (no event has a field ordreId)')
  const astray = await s.run([...s.replay, '--break', 'state.opne.size > 3'])
  t.match(astray.lines[0], /never reached: state.opne.size > 3 \(it fails at every event: .*undefined.*\)/)
  const never = await s.run([...s.replay, '--break', 'payload.orderId === 99999', '--json'])
  t.match(json(never.lines), [{ why: 'end', neverReached: ['payload.orderId === 99999'] }])
})
