import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { type Clock, systemClock } from '../base/clock.ts'
import { isSluiceError } from '../base/errors.ts'
import { isPublicAddress } from './address.ts'
import type { Notification, NotifierContext } from './notifier.ts'
import { signatureOf, webhookNotifier } from './webhook.ts'

const notification: Notification = {
  id: '20261120T000000Z-ab12:ingest:raw.sales:failed',
  at: '2026-11-20T00:00:00.000Z',
  project: 'shop',
  pipeline: 'retail',
  run: '20261120T000000Z-ab12',
  status: 'failed',
  summary: '1 of 20 files refused',
  next: 'sluice runs 20261120T000000Z-ab12',
}

const waits: number[] = []
const clock: Clock = { now: systemClock.now, sleep: async (ms) => void waits.push(ms) }
const context = (more: Partial<NotifierContext> = {}): NotifierContext => ({
  resolve: (reference) =>
    typeof reference === 'string' ? reference : `whsec_${Buffer.from('key').toString('base64')}`,
  root: '/',
  print: () => {},
  clock,
  ...more,
})

interface Received {
  readonly request: IncomingMessage
  readonly body: string
}

let server: Server | undefined

afterEach(async () => {
  waits.length = 0
  server?.closeAllConnections()
  await new Promise((resolve) => (server === undefined ? resolve(0) : server.close(resolve)))
  server = undefined
})

async function serve(
  answer: (response: ServerResponse, count: number) => void,
): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = []
  server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      received.push({ request, body })
      answer(response, received.length)
    })
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?x=1`, received }
}

const send = (url: string, more: Partial<NotifierContext> = {}, allowPrivate = true): Promise<unknown> =>
  webhookNotifier({ kind: 'webhook', url, secret: { $secret: 'HOOK' }, allowPrivate }, context(more))
    .send(notification, new AbortController().signal)
    .then(
      () => undefined,
      (error: unknown) => error,
    )

test('NO-02: a signed POST with a stable id, which a receiver can verify', async () => {
  const { url, received } = await serve((response) => response.end('ok'))
  expect(await send(url)).toBeUndefined()
  const { request, body } = received[0] as Received
  expect(JSON.parse(body)).toEqual({ v: 1, ...notification })
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature } = request.headers
  expect(id).toBe(encodeURIComponent(notification.id))
  expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(60)
  expect(signature).toBe(`v1,${createHmac('sha256', 'key').update(`${id}.${timestamp}.${body}`).digest('base64')}`)
})

test('the signature is that of the Standard Webhooks specification', () => {
  // The example of the specification's reference libraries.
  expect(
    signatureOf(
      'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      1614265330,
      '{"test": 2432232314}',
    ),
  ).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
})

test('NO-01: a failing receiver is tried three times, with growing pauses', async () => {
  const { url, received } = await serve((response, count) => {
    response.statusCode = count < 3 ? 503 : 204
    response.end()
  })
  expect(await send(url)).toBeUndefined()
  expect([received.length, waits]).toEqual([3, [1000, 4000]])
  expect(new Set(received.map(({ request }) => request.headers['webhook-id'])).size).toBe(1)
})

test.each<[number, number]>([
  [500, 3],
  [429, 3],
  [404, 1],
  [302, 1],
])(
  'NO-01, NO-03: an answer %i gives up after %i tries, and says so without the secret part of the address',
  async (status, tries) => {
    const { url, received } = await serve((response) => {
      response.writeHead(status, { location: 'http://169.254.169.254/' })
      response.end()
    })
    const error = await send(url)
    expect(isSluiceError(error, 'Notification.Failed') && error.params['tries']).toBe(tries)
    expect(received).toHaveLength(tries)
    expect(String(error)).not.toContain('/hook')
  },
)

test('NO-01: nobody listens', async () => {
  const { url } = await serve((response) => response.end())
  await new Promise((resolve) => server?.close(resolve))
  const error = await send(url)
  expect(isSluiceError(error, 'Notification.Failed') && error.message).toMatch('ECONNREFUSED')
})

test('an endless answer is cut off', async () => {
  const { url } = await serve((response) => {
    response.writeHead(200)
    const write = (): void => {
      if (!response.destroyed) response.write(Buffer.alloc(65_536), () => setImmediate(write))
    }
    write()
  })
  expect(await send(url)).toBeUndefined()
})

test('NO-03: the connection goes to the address that was checked, under the name that was given', async () => {
  const { url, received } = await serve((response) => response.end())
  const named = url.replace('127.0.0.1', 'hooks.example.com')
  let lookups = 0
  expect(
    await send(named, {
      lookup: async () => {
        lookups++
        return ['127.0.0.1']
      },
    }),
  ).toBeUndefined()
  expect([lookups, received[0]?.request.headers.host]).toEqual([1, new URL(named).host])
})

/** Every spelling of an address inside, or of a way around the check. */
const refusedUrls = [
  'https://127.0.0.1/',
  'https://127.1/',
  'https://127.0.1/',
  'https://127.255.255.254/',
  'https://2130706433/',
  'https://0x7f000001/',
  'https://0x7f.0.0.1/',
  'https://0x7f.1/',
  'https://0177.0.0.1/',
  'https://017700000001/',
  'https://127.0.0.1./',
  'https://%31%32%37.0.0.1/',
  'https://127。0。0。1/',
  'https://①②⑦.0.0.1/',
  'https://0/',
  'https://0.0.0.0/',
  'https://0.1.2.3/',
  'https://10.0.0.1/',
  'https://10.255.255.255/',
  'https://167772161/',
  'https://172.16.0.1/',
  'https://172.31.255.255/',
  'https://192.168.0.1/',
  'https://3232235521/',
  'https://169.254.169.254/latest/meta-data/',
  'https://169.254.170.2/v2/credentials',
  'https://2852039166/',
  'https://0xa9fea9fe/',
  'https://0251.0376.0251.0376/',
  'https://100.64.0.1/',
  'https://100.100.100.200/',
  'https://168.63.129.16/',
  'https://192.0.0.192/',
  'https://192.0.2.1/',
  'https://198.18.0.1/',
  'https://198.51.100.1/',
  'https://203.0.113.1/',
  'https://192.88.99.1/',
  'https://224.0.0.1/',
  'https://239.255.255.250/',
  'https://240.0.0.1/',
  'https://255.255.255.255/',
  'https://[::1]/',
  'https://[::]/',
  'https://[0:0:0:0:0:0:0:1]/',
  'https://[::127.0.0.1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[::ffff:7f00:1]/',
  'https://[::ffff:a9fe:a9fe]/',
  'https://[::ffff:8.8.8.8]/',
  'https://[::ffff:0:127.0.0.1]/',
  'https://[64:ff9b::7f00:1]/',
  'https://[64:ff9b::a9fe:a9fe]/',
  'https://[64:ff9b:1::7f00:1]/',
  'https://[2002:7f00:1::]/',
  'https://[2001:0:7f00:1::]/',
  'https://[fe80::1]/',
  'https://[fc00::1]/',
  'https://[fd00:ec2::254]/',
  'https://[fec0::1]/',
  'https://[ff02::1]/',
  'https://[100::1]/',
  'https://[2001:db8::1]/',
  'https://[3fff::1]/',
  'https://[4000::1]/',
  'https://[5f00::1]/',
  'https://localhost/',
  'https://LOCALHOST./',
  'http://8.8.8.8/',
  'http://example.com/',
  'ftp://example.com/',
  'file:///etc/passwd',
  'gopher://127.0.0.1:25/',
  'data:text/plain,x',
  'https://example.com@127.0.0.1/',
  'https://user:hunter2@example.com/',
  'https://127.0.0.1#@example.com/',
  'https:\\\\127.0.0.1\\',
  '//127.0.0.1/',
  '',
  'not a url',
]

/** Names that look public, and the address that makes them not so. */
const refusedNames: readonly (readonly string[])[] = [
  ['127.0.0.1'],
  ['8.8.8.8', '10.0.0.1'],
  ['2606:4700::1111', '::1'],
  ['::ffff:169.254.169.254'],
  ['fe80::1%eth0'],
  ['64:ff9b::a00:1'],
  ['not an address'],
]

test('NO-03: no spelling of an address inside gets through, and nothing is ever connected', async () => {
  expect(refusedUrls.length).toBeGreaterThanOrEqual(60)
  const lookup: NotifierContext['lookup'] = async (host) => (/^localhost\.?$/.test(host) ? ['127.0.0.1'] : ['8.8.8.8'])
  for (const url of refusedUrls) {
    const error = await send(url, { lookup }, false)
    expect([url, isSluiceError(error, 'Notification.Refused')]).toEqual([url, true])
    expect(String(error)).not.toContain('hunter2')
  }
})

test.each(refusedNames)('NO-03: every address of a name must be public: %s', async (...addresses) => {
  const error = await send('https://rebind.example.com/', { lookup: async () => addresses }, false)
  expect(isSluiceError(error, 'Notification.Refused')).toBe(true)
})

test('NO-03: public addresses are public', () => {
  for (const address of ['8.8.8.8', '1.1.1.1', '100.63.255.255', '172.32.0.1', '2606:4700::1111', '2a00:1450:4001::1'])
    expect([address, isPublicAddress(address)]).toEqual([address, true])
})

test('NO-03: a name that changes between two tries is checked again', async () => {
  let lookups = 0
  const error = await send(
    'https://rebind.example.com:1/',
    {
      lookup: async () => {
        lookups++
        return lookups === 1 ? [] : ['127.0.0.1']
      },
    },
    false,
  )
  expect(isSluiceError(error, 'Notification.Refused')).toBe(true)
  expect(lookups).toBe(2)
})
