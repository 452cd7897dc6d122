/** An etcd's client among endpoints that are gone, silent, endless, or something else altogether. */
import { createServer, type RequestListener } from 'node:http'
import { type Test, test } from 'tap'
import type { Timers } from '../../src/core/timers.js'
import { EtcdClient } from '../../src/runtime/etcd-client.js'
import { systemTimers } from '../../src/runtime/platform.js'
import type { EtcdCall } from '../../src/wire/etcd.js'

const GONE = 'http://127.0.0.1:1'
const LEASE: EtcdCall = { kind: 'grant-lease', ttlSeconds: 2 }
const GRANTED = JSON.stringify({ header: { revision: '1' }, ID: '77', TTL: '2' })

/** Runs out when a server says so: how long an answer takes here is no matter. */
let waiting: (() => void) | undefined
const timers: Timers = {
  defer: systemTimers.defer,
  after(_delayMs, run) {
    waiting = run
    return { cancel() {}, restart() {} }
  },
}

function client(...endpoints: string[]): EtcdClient {
  return new EtcdClient(endpoints, timers, () => 0)
}

/** A server on a free port, closed with the test. */
async function serve(t: Test, answer: RequestListener): Promise<string> {
  const server = createServer((request, response) => {
    request.resume()
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return `http://127.0.0.1:${address.port}`
}

/** It never answers: who asks has waited long enough as soon as it has asked. */
async function serveSilence(t: Test): Promise<{ readonly url: string; calls: number }> {
  const url = await serve(t, () => {
    silent.calls++
    waiting?.()
  })
  const silent = { url, calls: 0 }
  return silent
}

const saying = (text: string, status = 200): RequestListener => {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(text)
  }
}

test('the next endpoint is asked where one does not answer, and the one that did is kept', async (t) => {
  let calls = 0
  const good = await serve(t, (request, response) => {
    calls++
    saying(GRANTED)(request, response)
  })
  const silent = await serveSilence(t)
  const etcd = client(GONE, silent.url, `${good}/`)
  t.strictSame(await etcd.call(LEASE), { answer: { kind: 'lease', lease: '77', ttlSeconds: 2 } })
  t.strictSame([calls, silent.calls], [1, 1])
  await etcd.call(LEASE)
  t.strictSame([calls, silent.calls], [2, 1], 'the good one is asked first now')
})

test('what is no etcd is told as that', async (t) => {
  const liars = {
    'a page': saying('<html>hello</html>'),
    nothing: saying(''),
    'other JSON': saying('{"ok":true}'),
    'an answer to something else': saying('{"header":{"revision":"1"},"TTL":"2"}'),
    'an error page': saying('gone', 502),
    'an endless answer': ((_request, response) => {
      const chunk = 'x'.repeat(16_384)
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
      }
      response.on('drain', more)
      more()
    }) satisfies RequestListener,
  }
  for (const [what, answer] of Object.entries(liars)) {
    const outcome = await client(await serve(t, answer)).call(LEASE)
    t.match(outcome, { failure: { isGarbage: true, isNotFound: false, reason: /is not an etcd's/ } }, what)
  }
})

test('a redirect is not followed, and silence has an end', async (t) => {
  const elsewhere = await serve(t, (_request, response) => {
    response.writeHead(307, { location: 'http://127.0.0.1:1/' })
    response.end()
  })
  t.match(await client(elsewhere).call(LEASE), { failure: { isGarbage: false } })
  const half = await serve(t, (_request, response) => {
    response.writeHead(200)
    response.write('{', () => waiting?.())
  })
  t.match(await client(half).call(LEASE), { failure: { reason: /no answer within 400 ms/ } })
  t.match(await client(GONE).call(LEASE), { failure: { reason: /ECONNREFUSED|bad port/ } })
})

test('a lease that is gone is an answer, another error is none', async (t) => {
  const gone = await serve(t, saying('{"error":"etcdserver: requested lease not found","code":5}', 404))
  const good = await serve(t, saying(GRANTED))
  t.match(await client(gone, good).call(LEASE), { failure: { isNotFound: true } }, 'nobody else is asked')
  const leaderless = await serve(t, saying('{"error":"etcdserver: no leader","code":14}', 503))
  t.match(await client(leaderless, good).call(LEASE), { answer: { lease: '77' } })
  t.match(await client(leaderless).call(LEASE), { failure: { reason: /no leader/, isNotFound: false } })
})

test('who ends asks one endpoint, and not for long', async (t) => {
  const silent = await serveSilence(t)
  const etcd = client(silent.url, silent.url, silent.url)
  etcd.close()
  t.match(await etcd.call(LEASE), { failure: { reason: /no answer within 300 ms$/ } })
  t.equal(silent.calls, 1)
})
