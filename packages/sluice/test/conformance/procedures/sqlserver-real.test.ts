/** What can be proven of a real server's set-up without one: its address is read as it is written, and its Transact-SQL is well formed. */
import { Dialect, parse } from '@polyglot-sql/sdk'
import { expect, test } from 'vitest'
import { startTdsServer } from '../../doubles/tds/server.ts'
import { cases, oddNames } from './sqlserver.ts'
import { serverAddress, variable } from './sqlserver-address.ts'
import { type Administrator, administrator, realSqlServer, setUp } from './sqlserver-real.ts'
import { creation, realTypes, setUpProcedures } from './sqlserver-setup.ts'

if ((process.env[variable] ?? '') === '')
  test.skip(`missed a real SQL Server: ${variable} is not set, so the suite ran against the double alone`, () =>
    undefined)

test.each([
  [
    'mssql://sa:p@db.test/erp',
    { host: 'db.test', port: 1433, database: 'erp', user: 'sa', password: 'p', tls: 'verified' },
  ],
  ['mssql://sa:p@db.test/erp', { serverName: 'db.test' }],
  ['mssql://a%40b:%2F%3A%40%23@127.0.0.1:14330/?encrypt=false', { user: 'a@b', password: '/:@#', tls: 'off' }],
  ['mssql://sa:p@127.0.0.1:14330', { port: 14_330, database: 'master' }],
  [
    'mssql://sa:p@[::1]:14330/my%20db?trustServerCertificate=true',
    { host: '::1', database: 'my db', tls: 'unverified' },
  ],
])('%s is read', (address, settings) => {
  expect(serverAddress(address)).toMatchObject(settings)
})

test.each([
  '',
  'db.test',
  'http://sa:secret@db.test/erp',
  'mssql://db.test/erp',
  'mssql://sa:secret@db.test/?trust=yes',
])('%j is refused, without its password', (address) => {
  expect(() => serverAddress(address)).toThrow(variable)
  expect(() => serverAddress(address)).not.toThrow('secret')
})

test('no address is no server, and an address is one', () => {
  expect([undefined, ''].flatMap(realSqlServer)).toEqual([])
  expect(realSqlServer('mssql://sa:p@db.test/erp')).toHaveLength(1)
})

/** An administrator who keeps what is run, and is refused what he may not do. */
function recorder(refused: RegExp, version = 'Microsoft SQL Server 2022'): Administrator & { readonly ran: string[] } {
  const ran: string[] = []
  return {
    ran,
    run: async (sql) => {
      if (refused.test(sql)) throw new Error('Permission was denied.')
      ran.push(sql)
      return /@@VERSION/.test(sql) ? version : undefined
    },
    close: () => void ran.push('closed'),
  }
}
const address = serverAddress('mssql://sa:p@db.test/erp')
const words = (ran: readonly string[]) =>
  ran.map((sql) => sql.replace(/sluice_test_\w+/g, 'x').split(/ (?:AS|WITH)\b/)[0])

test('all is made in a database and a login of their own, and removed in the opposite order', async () => {
  const admin = recorder(/^$/)
  const server = await setUp(admin, address)
  const { user, database } = server.settings
  expect([database, user]).toEqual([user, expect.stringMatching(/^sluice_test_\w{12}$/)])
  expect(server.unproven?.('SR-10: a procedure without the permission is refused, by name')).toBeUndefined()
  expect(server.unproven?.('SR-09: a deadlock victim may be called again')).toMatch(/1205/)
  const made = words(admin.ran.splice(0))
  expect(made.slice(0, 5)).toEqual([
    'SELECT @@VERSION',
    'CREATE DATABASE x',
    'USE x',
    'CREATE LOGIN x',
    'CREATE USER x FOR LOGIN x',
  ])
  const granted = made.filter((sql) => sql?.startsWith('GRANT EXECUTE ON [dbo].['))
  expect(granted.length).toBe((made.length - 5 - 1) / 2)
  expect(granted.some((sql) => sql?.includes('forbidden'))).toBe(false)
  await server.stop()
  const removed = words(admin.ran)
  expect(removed.filter((sql) => sql?.startsWith('DROP PROCEDURE '))).toHaveLength(granted.length + 1)
  expect(removed.slice(-6)).toEqual([
    'DROP USER x',
    'USE master',
    'ALTER DATABASE x SET SINGLE_USER',
    'DROP DATABASE x',
    'DROP LOGIN x',
    'closed',
  ])
})

test('where no database may be made, a schema is; where no login may be made, the given one calls, and says what that cannot prove', async () => {
  const noDatabase = recorder(/^CREATE DATABASE/, 'Babelfish for PostgreSQL')
  const inSchema = await setUp(noDatabase, address)
  expect(inSchema.settings.database).toBe('erp')
  await inSchema.stop()
  expect(words(noDatabase.ran).slice(-4)).toEqual(['DROP USER x', 'DROP SCHEMA x', 'DROP LOGIN x', 'closed'])
  const noLogin = recorder(/^CREATE LOGIN/)
  const server = await setUp(noLogin, address)
  expect(server.settings.user).toBe('sa')
  expect(server.unproven?.('SR-10: a procedure without the permission is refused, by name')).toMatch(/no login/)
  const neither = recorder(/^CREATE (DATABASE|LOGIN)/)
  await expect(setUp(neither, address)).rejects.toThrow('neither a database (Permission was denied.) nor a login')
  expect(words(neither.ran).slice(-2)).toEqual(['DROP SCHEMA x', 'closed'])
})

test('the administrator connects by the address, and hears what is refused', async () => {
  await using server = await startTdsServer({ procedures: {}, users: { sa: 'p' } })
  const admin = await administrator(serverAddress(`mssql://sa:p@127.0.0.1:${server.port}/erp?encrypt=false`))
  await expect(admin.run('SELECT @@VERSION')).rejects.toThrow('No SQL is taken here.')
  admin.close()
})

/** What this parser of Transact-SQL does not know: declarations of tables, and what SET sets. */
const unread = /^(DECLARE @rows TABLE|SET |RETURN )/

for (const isBabelfish of [false, true]) {
  const server = isBabelfish ? 'Babelfish' : 'SQL Server'
  const types = realTypes(cases, isBabelfish)
  const procedures = setUpProcedures(types, oddNames, isBabelfish)

  test(`the statements for ${server} parse`, () => {
    const statements = new Set(procedures.flatMap(({ body }) => body))
    const wrong = [...statements]
      .filter((statement) => !unread.test(statement) && statement.length < 10_000)
      .filter((statement) => !parse(statement, Dialect.TSQL).success)
    expect(wrong).toEqual([])
  })

  test(`the procedures for ${server} are those of the double, once each, in brackets that close`, () => {
    const names = procedures.map(({ name }) => name)
    expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(names.length)
    for (const [index] of types.entries())
      expect(names).toEqual(expect.arrayContaining([`types_${index}`, `echo_${index}`]))
    for (const procedure of procedures) {
      const batch = creation('dbo', procedure)
      const outside = batch.replace(/N?'(?:[^']|'')*'|\[(?:[^\]]|\]\])*\]/g, '')
      expect(batch).toMatch(/^CREATE PROCEDURE \[dbo\]\.\[/)
      expect(outside, procedure.name).not.toMatch(/['[\]]|--/)
      expect(outside.split('(').length, procedure.name).toBe(outside.split(')').length)
    }
  })
}

test('Babelfish is asked for no more than microseconds', () => {
  const values = realTypes(cases, true).flatMap(({ declared, values }) =>
    /^(time|datetime)/.test(declared) ? values : [],
  )
  expect(values.filter((value) => /\.\d{6}[1-9]/.test(value))).toEqual([])
  expect(values.length).toBeGreaterThan(8)
})
