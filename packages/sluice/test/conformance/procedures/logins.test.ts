/** What is needed before a call, and what goes over the wire. */
import { createServer } from 'node:net'
import { afterAll, expect, test } from 'vitest'
import { isSluiceError } from '../../../src/base/errors.ts'
import { testCertificates } from '../../doubles/certificates.ts'
import { startProxy } from './proxy.ts'
import { callOf, given, hear } from './server.ts'
import { onEachServer } from './servers.ts'

const certificates = testCertificates()

await onEachServer('logins', (start, kind) => {
  const { connector } = kind
  const never = new AbortController().signal
  const stops: (() => Promise<void>)[] = []
  afterAll(async () => {
    for (const stop of stops) await stop()
  })

  test('SR-10: a wrong password is reported, is not tried twice, and is in no text', async () => {
    const { settings } = await start()
    const proxy = await startProxy(settings)
    const password = 'wrong-Secret-77'
    const wrong = { ...proxy.through(settings), password }
    const error = await connector.connect(wrong, never).catch((error: unknown) => error)
    expect(error).toMatchObject({ name: 'Connection.LoginFailed', retryable: false, exit: 3 })
    for (let at: unknown = error; at instanceof Error; at = at.cause)
      expect(`${at.message} ${at.stack} ${JSON.stringify(at)}`).not.toContain(password)
    await proxy.stop()
  })

  test('a database that is not there is told', async ({ skip }) => {
    const { settings, knowsDatabases } = await start()
    skip(!knowsDatabases, 'this server takes any name of a database')
    const error = await connector.connect({ ...settings, database: 'no_such' }, never).catch((error: unknown) => error)
    expect(isSluiceError(error) && error.exit).toBe(3)
  })

  test('a server that is not there, or never answers, may be tried again', async () => {
    const { settings } = await start()
    const silent = createServer((socket) => socket.on('error', () => undefined).resume())
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const host = '127.0.0.1'
    const port = (silent.address() as { port: number }).port
    const slow = connector.connect({ ...settings, host, port, connectTimeoutSeconds: 1 }, never)
    await expect(slow).rejects.toMatchObject({ name: 'Connection.Unreachable', retryable: true })
    await new Promise((resolve) => silent.close(resolve))
    const gone = connector.connect({ ...settings, host, port }, never)
    await expect(gone).rejects.toMatchObject({ name: 'Connection.Unreachable', retryable: true })
  })

  test('SR-12: TLS is used, verified by the authority and the name', async () => {
    const { settings, stop } = await kind.startTls(certificates.right)
    stops.push(stop)
    const proxy = await startProxy(settings)
    const right = { ...settings, port: proxy.port, tls: 'verified', ca: certificates.ca } as const
    for (const host of ['localhost', '127.0.0.1']) {
      await using connection = await connector.connect({ ...right, host }, never)
      expect(connection.isUsable).toBe(true)
    }
    for (const word of [settings.user, settings.password]) expect(readable(proxy.sent()), word).not.toContain(word)

    const refused: readonly Partial<typeof right>[] = [
      { ca: certificates.otherCa },
      { serverName: 'elsewhere.test' },
      { serverName: '127.0.0.2' },
    ]
    for (const change of refused) await expectTlsRefused({ ...right, ...change })
    const { ca: _, ...system } = right
    await expectTlsRefused(system)
    await proxy.stop()
  })

  for (const wrong of ['wrongHost', 'expired', 'selfSigned'] as const) {
    test(`SR-12: a certificate that is ${wrong} is refused, and taken only where nobody asks`, async () => {
      const { settings, stop } = await kind.startTls(certificates[wrong])
      stops.push(stop)
      await expectTlsRefused({ ...settings, tls: 'verified', ca: certificates.ca })
      await using connection = await connector.connect({ ...settings, tls: 'unverified' }, never)
      expect(connection.isUsable).toBe(true)
      if (wrong !== 'wrongHost') return
      const named = { ...settings, tls: 'verified', ca: certificates.ca, serverName: 'elsewhere.test' } as const
      await using second = await connector.connect(named, never)
      expect(second.isUsable).toBe(true)
    })
  }

  test('SR-12: a server without TLS is refused, where TLS is wanted', async () => {
    const { settings } = await start()
    await expectTlsRefused({ ...settings, tls: 'verified' })
    await expectTlsRefused({ ...settings, tls: 'unverified' })
  })

  async function expectTlsRefused(settings: Parameters<typeof connector.connect>[0]): Promise<void> {
    const proxy = await startProxy(settings)
    const attempt = connector.connect({ ...settings, port: proxy.port }, never)
    await expect(attempt).rejects.toMatchObject({ name: 'Connection.Tls', retryable: false, exit: 3 })
    for (const word of [settings.user, settings.password]) expect(readable(proxy.sent()), word).not.toContain(word)
    await proxy.stop()
  }

  test('the wire: no text of SQL but our own; names quoted, values bound', async () => {
    const { settings, parameter, statements, ownStatements } = await start()
    const proxy = await startProxy(settings)
    const value = "x'); DELETE FROM kept; --"
    {
      await using connection = await connector.connect(proxy.through(settings), never)
      await hear(connection, callOf('long_text', { parameters: [given(parameter('value'), value)] }))
      await hear(connection, callOf('two_sets'))
      await hear(
        connection,
        callOf('outputs', {
          parameters: [given(parameter('given'), '7', 'integer')],
          output: [
            { name: parameter('total'), type: 'bigint' },
            { name: parameter('said'), type: 'text' },
          ],
        }),
      )
      await connection.describe()
    }
    const sent = statements(proxy.sent())
    await proxy.stop()
    console.log(
      `${kind.name}: ${sent.length} messages with text\n${sent.map((text) => `  ${text.replace(/\s+/g, ' ').slice(0, 160)}`).join('\n')}`,
    )
    const unknown = sent.filter((text) => !ownStatements.some((own) => own.test(text)))
    expect(unknown).toEqual([])
    expect(sent.some((text) => text.includes('DELETE'))).toBe(false)
    expect(sent.filter((text) => /long_text/.test(text)).length).toBeGreaterThan(0)
  })
})

/** Bytes as text in the two ways in which the protocols write text. */
function readable(bytes: Buffer): string {
  return `${bytes.toString('latin1')}\n${bytes.toString('utf16le')}\n${bytes.subarray(1).toString('utf16le')}`
}
