import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'
import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { isSluiceError } from '../base/errors.ts'
import type { Notifier } from '../definition/types.ts'
import { emailNotifier } from './email.ts'
import type { Notification } from './notifier.ts'

const notification: Notification = {
  id: 'run-1:failed',
  at: '2026-11-20T00:00:00.000Z',
  project: 'shop',
  pipeline: 'retail',
  run: 'run-1',
  status: 'failed',
  summary: 'file "x\r\nBcc: thief@example.com\r\n\r\n<script>" refused \u202egnp.exe — é',
  rows: { read: 10, accepted: 7, quarantined: 2, dropped: 1 },
  error: { code: 'SLU3001', name: 'Source.InputChanged', message: 'it changed\r\n.\r\nMAIL FROM:<x>' },
  next: 'sluice runs run-1',
}

interface Mail {
  readonly from: string | undefined
  readonly to: readonly string[]
  readonly text: string
}

let server: SMTPServer | undefined

afterEach(() => new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve()))))

async function serve(
  options: ConstructorParameters<typeof SMTPServer>[0] = {},
): Promise<{ port: number; mails: Mail[] }> {
  const mails: Mail[] = []
  server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope
        mails.push({
          from: mailFrom === false ? undefined : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          text: Buffer.concat(chunks).toString(),
        })
        done()
      })
    },
    ...options,
  })
  server.on('error', () => {})
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return { port: (server.server.address() as AddressInfo).port, mails }
}

const waits: number[] = []
const send = (port: number, more: Partial<Extract<Notifier, { kind: 'email' }>> = {}): Promise<unknown> => {
  waits.length = 0
  return emailNotifier(
    {
      kind: 'email',
      to: ['ops@example.com', 'b@example.com'],
      from: 'Sluice <sluice@example.com>',
      host: '127.0.0.1',
      port,
      tls: false,
      ...more,
    },
    {
      resolve: (reference) => (typeof reference === 'string' ? reference : 'secret'),
      root: '/',
      print: () => {},
      clock: { now: systemClock.now, sleep: async (ms) => void waits.push(ms) },
    },
  )
    .send(notification, new AbortController().signal)
    .then(
      () => undefined,
      (error: unknown) => error,
    )
}

test('NO-04: a mail arrives as plain text; line ends in names cannot add headers or recipients', async () => {
  const { port, mails } = await serve()
  expect(await send(port)).toBeUndefined()
  expect(mails).toHaveLength(1)
  const [mail] = mails
  expect([mail?.from, mail?.to]).toEqual(['sluice@example.com', ['ops@example.com', 'b@example.com']])
  const [head = '', body = ''] = (mail?.text ?? '').split('\r\n\r\n', 2)
  const headers = head.replace(/\r\n[ \t]/g, ' ').split('\r\n')
  expect(headers.map((line) => line.split(':', 1)[0]?.toLowerCase()).sort()).toEqual([
    'content-transfer-encoding',
    'content-type',
    'date',
    'from',
    'message-id',
    'mime-version',
    'subject',
    'to',
    'x-sluice-notification-id',
  ])
  expect(headers.find((line) => /^content-type/i.test(line))).toMatch(/text\/plain/)
  expect(Buffer.from(body, 'utf8').toString()).toContain('SLU3001')
})

test('NO-02: the same notification has the same Message-ID', async () => {
  const { port, mails } = await serve()
  await send(port)
  await send(port)
  const ids = mails.map(({ text }) => /^Message-ID:\s+(\S+)\r$/im.exec(text)?.[1])
  expect(ids[0]).toMatch(/^<[0-9a-f]{64}@sluice>$/)
  expect(ids[0]).toBe(ids[1])
})

test('a certificate that nobody vouches for is refused, before any password is sent', async () => {
  let logins = 0
  const { port, mails } = await serve({
    disabledCommands: [],
    onAuth(_auth, _session, done) {
      logins++
      done(null, { user: 'x' })
    },
  })
  const error = await send(port, { tls: true, user: 'x', password: { $secret: 'P' } })
  expect(isSluiceError(error, 'Notification.Failed')).toBe(true)
  expect([logins, mails.length]).toEqual([0, 0])
})

test('a server without STARTTLS is refused, and not spoken to in the clear', async () => {
  const { port, mails } = await serve()
  expect(isSluiceError(await send(port, { tls: true }), 'Notification.Failed')).toBe(true)
  expect(mails).toHaveLength(0)
})

test('a login reads the secret when it is used', async () => {
  const logins: unknown[] = []
  const { port, mails } = await serve({
    allowInsecureAuth: true,
    onAuth({ username, password }, _session, done) {
      logins.push(username, password)
      done(null, { user: 'ops' })
    },
  })
  expect(await send(port, { user: 'ops', password: { $secret: 'P' } })).toBeUndefined()
  expect([logins, mails.length]).toEqual([['ops', 'secret'], 1])
})

test.each<[number, number]>([
  [450, 3],
  [550, 1],
])('NO-01: an answer %i gives up after %i tries', async (responseCode, tries) => {
  const { port } = await serve({
    onMailFrom: (_address, _session, done) => done(Object.assign(new TypeError('no'), { responseCode })),
  })
  const error = await send(port)
  expect(isSluiceError(error, 'Notification.Failed') && error.params['tries']).toBe(tries)
  expect(waits).toHaveLength(tries - 1)
})

test('NO-01: nobody listens', async () => {
  const { port } = await serve()
  await new Promise<void>((resolve) => server?.close(() => resolve()))
  server = undefined
  const error = await send(port)
  expect(isSluiceError(error, 'Notification.Failed') && error.params['tries']).toBe(3)
})
