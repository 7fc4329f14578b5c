/** How SQL Server is found and logged in to: instances, listeners, domains, Microsoft Entra ID, TDS 8; over the protocol double. */
import { connect as connectSocket } from 'node:net'
import { expect, test } from 'vitest'
import type { ConnectionSettings } from '../../src/connections/connection.ts'
import { firstOf } from '../../src/connections/sqlserver/socket.ts'
import { testCertificates } from '../doubles/certificates.ts'
import { startSqlBrowser } from '../doubles/tds/browser.ts'
import * as script from '../doubles/tds/script.ts'
import { startTdsServer, type TdsServer, type TdsServerOptions } from '../doubles/tds/server.ts'
import { types as t } from '../doubles/tds/types.ts'
import { collect, connect, never } from './sqlserver.ts'

const procedures = { 'dbo.usp_x': () => script.resultSet([['id', t.int]], [['1'], ['2']]) }
const start = (more: Partial<TdsServerOptions> = {}) => startTdsServer({ procedures, ...more })
const logins = ({ messages }: TdsServer) => messages.filter((message) => message.kind === 'login')
const { ca, right } = testCertificates()
const secure = { tls: 'verified', ca, host: 'localhost' } as const

async function works(port: number, more: Partial<ConnectionSettings>): Promise<void> {
  await using connection = await connect(port, more)
  expect((await collect(connection, 'dbo.usp_x')).rows).toEqual([[['1'], ['2']]])
}
const refusal = (port: number, more: Partial<ConnectionSettings>) =>
  connect(port, more).then(
    () => expect.unreachable('it connected'),
    (error: { name: string; message: string }) => error,
  )

test('a named instance is found by the SQL Browser, in any case, also where the first question was lost', async () => {
  await using server = await start()
  await using browser = await startSqlBrowser({ MSSQLSERVER: 1, SALES: server.port }, 1)
  await works(browser.port, { instance: 'Sales' })
  expect(browser.questions).toEqual([Buffer.from([3]), Buffer.from([3])])
})

test('an instance that is not there, takes no TCP, or has no SQL Browser, is named, with what there is', async () => {
  await using browser = await startSqlBrowser({ SALES: undefined, HR: 1 })
  const unknown = await refusal(browser.port, { instance: 'SALE' })
  expect(unknown.name).toBe('Connection.Unreachable')
  expect(unknown.message).toContain(
    '127.0.0.1\\SALE: it has no instance "SALE" that runs; its SQL Browser knows SALES, HR',
  )
  expect((await refusal(browser.port, { instance: 'SALES' })).message).toContain('takes no connections over TCP')
  await using silent = await startSqlBrowser({}, 99)
  const none = await refusal(silent.port, { instance: 'SALES' })
  expect(none.message).toContain('asked 3 times')
  expect(silent.questions.length).toBe(3)
})

test('a session that only reads says so, and follows the listener to the secondary', async () => {
  await using secondary = await start()
  await using primary = await start({ readOnlyRoute: { host: '127.0.0.1', port: secondary.port } })
  await works(primary.port, { readOnlyIntent: true })
  expect([primary, secondary].map((server) => logins(server).map((one) => one.readOnlyIntent))).toEqual([
    [true],
    [true],
  ])
  expect([primary, secondary].map((server) => server.calls().length)).toEqual([0, 1])
  await works(primary.port, {})
  expect(logins(primary).map((one) => one.readOnlyIntent)).toEqual([true, false])
})

test('over several subnets, the first address that answers is taken, and the others are left', async () => {
  await using server = await start()
  await works(server.port, { host: 'localhost', multiSubnetFailover: true })
  const at = (host: string, port = server.port) => connectSocket({ host, port })
  const dead = at('127.0.0.1', 1)
  const first = await firstOf([dead, at('127.0.0.1')], never)
  expect([first.destroyed, dead.destroyed]).toEqual([false, true])
  first.destroy()
  await expect(firstOf([at('127.0.0.1', 1), at('127.0.0.1', 1)], never)).rejects.toBeInstanceOf(AggregateError)
})

test('a user of a domain logs in by NTLM, and no password goes over the wire', async () => {
  await using server = await start({ users: { 'CORP\\reader': 'hunter2hunter2' } })
  const login = { kind: 'ntlm', domain: 'corp' } as const
  await works(server.port, { login, password: 'hunter2hunter2' })
  const wire = Buffer.concat(server.messages.map(({ raw }) => raw))
  expect(wire.includes(Buffer.from('hunter2', 'utf16le'))).toBe(false)
  const wrong = await refusal(server.port, { login, password: 'other' })
  expect(wrong.name).toBe('Connection.LoginFailed')
  expect(wrong.message).toContain('refused the user "corp\\reader"')
})

test('a token of Microsoft Entra ID logs in, and a token that is not taken is a refused login', async () => {
  await using server = await start({ tls: right, tokens: ['eyJ0.right'] })
  const token = (text: string) =>
    ({ ...secure, user: '', password: '', login: { kind: 'entra-token', token: text } }) as const
  await works(server.port, token('eyJ0.right'))
  const wrong = await refusal(server.port, token('eyJ0.stale'))
  expect(wrong).toMatchObject({ name: 'Connection.LoginFailed' })
  expect(wrong.message).toContain('refused the login: Login failed for user')
})

test('a service principal whose authority does not answer is no refused login: it is tried again', async () => {
  await using server = await start({ tls: right })
  const login = { kind: 'entra-service-principal', tenantId: 'corp', clientId: 'c', clientSecret: 's' } as const
  process.env['AZURE_AUTHORITY_HOST'] = 'https://127.0.0.1:1'
  try {
    const failed = await refusal(server.port, { ...secure, user: '', password: '', login, connectTimeoutSeconds: 1 })
    expect(failed.name).toBe('Connection.Unreachable')
    expect(logins(server)[0]).toMatchObject({ wantsToken: true, password: '' })
  } finally {
    delete process.env['AZURE_AUTHORITY_HOST']
  }
})

test('SR-12: with strict, TLS comes first, its certificate is verified, and a server without it is not logged in to', async () => {
  await using server = await start({ tls: right, strict: true })
  await works(server.port, { ...secure, tls: 'strict' })
  const wrong = await refusal(server.port, { tls: 'strict' })
  expect(wrong.name).toBe('Connection.Tls')
  expect(logins(server).length).toBe(1)
  await using old = await start({ tls: right })
  const none = await refusal(old.port, { ...secure, tls: 'strict', connectTimeoutSeconds: 1 })
  expect(none.name).toBe('Connection.Tls')
  expect(none.message).toContain('needs SQL Server 2022')
  expect(logins(old)).toEqual([])
})
