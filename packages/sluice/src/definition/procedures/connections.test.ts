import { expect, test } from 'vitest'
import { sqlServer } from '../builders/connections.ts'
import { noPlaces } from '../problems/places.ts'
import { secret } from '../problems/references.ts'
import { resolveConfig } from '../resolve.ts'
import { serverAddress } from './server-address.ts'

const server = { host: 'srv', database: 'erp' }
const reader = { ...server, user: 'reader', password: secret('ERP') }
const problemsOf = (connection: object) =>
  resolveConfig({ name: 'shop', connections: { erp: connection } }, noPlaces('sluice.config.ts')).problems
const told = (connection: object): readonly string[] =>
  problemsOf({ kind: 'sqlserver', ...connection }).map(({ message }) => message.replace('connections.erp', ''))

test.each([
  ['srv', { host: 'srv' }],
  ['srv,1433', { host: 'srv', port: 1433 }],
  ['tcp:srv.database.windows.net, 1433', { host: 'srv.database.windows.net', port: 1433 }],
  ['srv\\SALES', { host: 'srv', instance: 'SALES' }],
  ['.\\SQLEXPRESS', { host: 'localhost', instance: 'SQLEXPRESS' }],
  ['(local)', { host: 'localhost' }],
  ['::1,1444', { host: '::1', port: 1444 }],
])('the address %s of a SQL Server', (text, address) => {
  expect(serverAddress(text)).toEqual(address)
})

test.each([
  ['', 'a server, as in'],
  [',1433', 'a server, as in'],
  ['srv,', 'a server and its port'],
  ['srv,70000', 'a server and its port'],
  ['srv\\', 'the name of its instance'],
  ['srv\\a b', 'the name of its instance'],
  ['srv\\SALES,1433', 'with its instance or with its port'],
  ['np:\\\\srv\\pipe\\sql\\query', 'over TCP'],
  ['\\\\.\\pipe\\x', 'over TCP'],
  ['(localdb)\\MSSQLLocalDB', 'LocalDB'],
])('the address "%s" is none over TCP', (text, expected) => {
  expect(serverAddress(text)).toMatchObject({ expected: expect.stringContaining(expected) })
})

test('every login of SQL Server is taken with what it needs', () => {
  const token = secret('TOKEN')
  for (const login of [
    { kind: 'entra-token', token },
    { kind: 'entra-service-principal', tenantId: 't', clientId: 'c', clientSecret: token },
    { kind: 'entra-managed-identity' },
    { kind: 'entra-default', clientId: 'c' },
  ] as const)
    expect(problemsOf(sqlServer({ ...server, login }))).toEqual([])
  for (const login of [
    { kind: 'ntlm', domain: 'CORP' },
    { kind: 'entra-password', clientId: 'c' },
  ] as const)
    expect(problemsOf(sqlServer({ ...reader, login, readOnlyIntent: true, multiSubnetFailover: true }))).toEqual([])
  expect(problemsOf(sqlServer({ ...reader, host: 'srv\\SALES', tls: 'strict' }))).toEqual([])
})

test('the port is the usual one, but where the host brings its own along', () => {
  const port = (host: string) =>
    resolveConfig({ name: 'shop', connections: { erp: sqlServer({ ...reader, host }) } }, noPlaces('c.ts')).config
      ?.connections['erp']?.port
  expect([port('srv'), port('srv,1444'), port('srv\\SALES')]).toEqual([1433, undefined, undefined])
})

test('options that do not fit each other are told all at once', () => {
  expect(
    told({ ...reader, host: 'srv,1444', port: 1433, tls: 'off', ca: 'a.pem', login: { kind: 'entra-default' } }),
  ).toEqual([
    '.port must be left out, as the host names the port 1444, not 1433.',
    '.user must be left out, as a login of kind "entra-default" has none, not "reader".',
    '.password must be left out, as a login of kind "entra-default" has none, not a reference.',
    `.tls must be 'verified' or 'strict', as a token of Microsoft Entra ID opens the server to everybody who reads it, not "off".`,
    `.ca must be left out, as no certificate is checked with tls: 'off', not "a.pem".`,
  ])
  expect(told({ ...server, host: 'srv\\SALES', port: 1433 })).toEqual([
    '.port must be left out, as the SQL Browser is asked for the port of the instance "SALES"; or the instance left out of the host, not 1433.',
    ' needs a "user": the name that logs in.',
    ' needs a "password": a reference to its password.',
  ])
  expect(told({ ...reader, login: { kind: 'ntlm' } })).toEqual(['.login needs a "domain": a text, or an object.'])
})

test('what is SQL Server’s alone is refused for the others', () => {
  const more = {
    host: 'a,b',
    login: { kind: 'entra-default' },
    readOnlyIntent: true,
    multiSubnetFailover: false,
    tls: 'strict',
  }
  expect(told({ ...reader, kind: 'postgres', ...more })).toEqual([
    '.host must be the name or address of one server, not "a,b".',
    `.tls must be 'verified', 'unverified' or 'off': 'strict' is TDS 8 of SQL Server, not "strict".`,
    '.login must be left out, as it is for SQL Server, not an object.',
    '.readOnlyIntent must be left out, as it is for SQL Server, not true.',
    '.multiSubnetFailover must be left out, as it is for SQL Server, not false.',
  ])
})

test('P17: a secret of a login is a reference', () => {
  const canary = { ...server, kind: 'sqlserver', login: { kind: 'entra-token', token: 'canary-4711' } }
  expect(problemsOf(canary)).toMatchObject([{ name: 'Definition.PlaintextSecret' }])
  expect(JSON.stringify(problemsOf(canary))).not.toContain('canary')
})

test.each([
  [{ integratedSecurity: true }, 'integrated authentication (Kerberos)'],
  [{ Trusted_Connection: 'yes' }, 'integrated authentication (Kerberos)'],
  [{ login: { kind: 'kerberos' } }, 'integrated authentication (Kerberos)'],
  [{ columnEncryption: true }, 'Always Encrypted (column encryption)'],
])('what the driver cannot do is refused by name: %o', (more, what) => {
  const [problem, ...others] = problemsOf({ kind: 'sqlserver', ...reader, ...more })
  expect(problem).toMatchObject({ name: 'Connection.NotSupported', message: expect.stringContaining(what) })
  expect(others).toEqual([])
})

test('options as other tools spell them are told as they are spelled here', () => {
  const wrong = { server: 'x', instanceName: 'SALES', encrypt: true, TrustServerCertificate: true, domain: 'CORP' }
  expect(problemsOf({ kind: 'sqlserver', ...reader, ...wrong }).map(({ suggestion }) => suggestion)).toEqual([
    'host',
    "host: 'server\\instance'",
    'tls',
    "tls: 'unverified'",
    "login: { kind: 'ntlm', domain: '…' }",
  ])
})
