/** SQL Server over the protocol double: what the protocol and its driver can do to a call. The semantics that all servers share are in the conformance suite. */
import { setTimeout as delay } from 'node:timers/promises'
import { Connection, Request } from 'tedious'
import { expect, test } from 'vitest'
import { sqlServerConnector } from '../../src/connections/sqlserver/connector.ts'
import { testCertificates } from '../doubles/certificates.ts'
import { catalog } from '../doubles/tds/catalog.ts'
import * as script from '../doubles/tds/script.ts'
import { startTdsServer } from '../doubles/tds/server.ts'
import { tokens } from '../doubles/tds/tokens.ts'
import { types as t } from '../doubles/tds/types.ts'
import { callOf, collect, collector, connect, never, settingsOf } from './sqlserver.ts'

const ids = (...values: readonly string[]) => values.map((value) => [value])
const oneSet = script.resultSet([['id', t.int]], ids('1', '2'))

test('a call brings columns before rows, output parameters, the return code and the rows that the server counted', async () => {
  await using server = await startTdsServer({
    procedures: {
      'dbo.usp_x': () => [
        ...oneSet,
        script.output('total', t.decimal(38, 10), '1234567890123456789012345678.1234567891'),
        script.output('note', t.nvarchar('max'), null),
        script.returns(7),
      ],
    },
  })
  await using connection = await connect(server.port)
  expect(connection.server).toBe('Sluice TDS double 16.0.2000')
  const result = await collect(connection, 'dbo.usp_x', {
    output: [
      { name: 'Total', type: 'decimal(38,10)' },
      { name: 'note', type: 'text' },
    ],
  })
  expect(result.rows).toEqual([ids('1', '2')])
  expect(result.end).toEqual({
    rows: [2],
    returnCode: 7,
    output: { Total: '1234567890123456789012345678.1234567891', note: null },
  })
  expect(server.calls()[0]!.parameters.map(({ name, output }) => [name, output])).toEqual([
    ['@Total', true],
    ['@note', true],
  ])
})

test('SR-04: several sets, an empty set and none; the server does not always count', async () => {
  await using server = await startTdsServer({
    procedures: {
      several: () => [
        script.done(3),
        ...oneSet,
        script.columns([
          ['', t.int],
          ['', t.int],
        ]),
        script.done(null),
        script.columns([['x', t.int]]),
        script.rows(ids('5')),
        script.bytes(tokens.order([1])),
        script.done(null),
        script.done(9),
      ],
      none: () => [script.done(3)],
    },
  })
  await using connection = await connect(server.port)
  const several = await collect(connection, 'several')
  expect(several.rows).toEqual([ids('1', '2'), [], ids('5')])
  expect(several.columns[1]!.map(({ name }) => name)).toEqual(['', ''])
  expect(several.end.rows).toEqual([2, null, null])
  expect(await collect(connection, 'none')).toMatchObject({ columns: [], rows: [], end: { rows: [], returnCode: 0 } })
})

test('a set that is not wanted is passed over', async () => {
  await using server = await startTdsServer({
    procedures: { p: () => [...script.resultSet([['a', t.nvarchar(9)]], ids('x', 'y')), ...oneSet] },
  })
  await using connection = await connect(server.port)
  const { sink, rows } = collector()
  const end = await connection.call(
    callOf('p'),
    { ...sink, columns: (set, c) => sink.columns(set, c) && set === 2 },
    never,
  )
  expect([rows, end.rows]).toEqual([
    [[], ids('1', '2')],
    [2, 2],
  ])
})

test('SR-03: messages below class 11 are reported, and do not fail', async () => {
  await using server = await startTdsServer({
    procedures: { p: () => [script.message('hello'), ...oneSet, script.message('careful', 50_000, 10)] },
  })
  await using connection = await connect(server.port)
  const result = await collect(connection, 'p')
  expect(result.messages).toEqual([
    { text: 'hello', code: '0', severity: 0 },
    { text: 'careful', code: '50000', severity: 10 },
  ])
})

const raise = script.error(51_234, 'boom.')
test.each([
  ['before rows', () => [raise, ...oneSet], 2],
  ['between rows', () => [...oneSet.slice(0, 2), raise, ...oneSet.slice(1)], 4],
  ['after rows', () => [...oneSet, raise], 2],
  ['of class 11', () => [...oneSet, script.error(51_234, 'boom', 11)], 2],
  ['without rows', () => [raise], 0],
])('SR-02: an error %s rejects the call, which leaves the connection usable', async (_when, steps, rows) => {
  await using server = await startTdsServer({ procedures: { p: steps, good: () => oneSet } })
  await using connection = await connect(server.port)
  await expect(collect(connection, 'p')).rejects.toMatchObject({
    name: 'Connection.CallFailed',
    params: { code: '51234', why: 'boom', rows, more: 0 },
  })
  expect((await collect(connection, 'good')).rows).toEqual([ids('1', '2')])
})

test('SR-02: of several errors the first is reported, and the others counted; an error that was only flagged is one, too', async () => {
  await using server = await startTdsServer({
    procedures: {
      several: () => [raise, script.error(8_134, 'Divide by zero'), script.error(3_621, 'Ended')],
      flagged: () => [...oneSet, script.bytes(tokens.done(0xfe, 2, 0)), script.end],
      unfinished: () => [...oneSet, script.end],
      fatal: () => [script.error(21, 'Fatal', 21)],
    },
  })
  await using connection = await connect(server.port)
  await expect(collect(connection, 'several')).rejects.toMatchObject({ params: { code: '51234', more: 2 } })
  for (const procedure of ['flagged', 'unfinished', 'fatal']) {
    await using other = await connect(server.port)
    const name = procedure === 'fatal' ? 'Connection.CallFailed' : 'Connection.Protocol'
    await expect(collect(other, procedure)).rejects.toMatchObject({ name })
    expect(other.isUsable).toBe(false)
  }
})

test('SR-01: a connection that is cut in a row is lost, with the rows that had come; the next one is whole', async () => {
  let calls = 0
  const columns = script.columns([
    ['id', t.int],
    ['text', t.nvarchar(100)],
  ])
  const whole = tokens.row(
    [
      { name: 'id', type: t.int },
      { name: 'text', type: t.nvarchar(100) },
    ],
    ['3', 'cut off'],
  )
  const rows = [
    ['1', 'a'],
    ['2', 'b'],
  ]
  await using server = await startTdsServer({
    procedures: {
      p: () =>
        calls++ === 0
          ? [columns, script.rows(rows), script.bytes(whole.subarray(0, 9)), script.wait(20), script.cut]
          : [columns, script.rows(rows), script.bytes(whole), script.done(3)],
    },
  })
  const lost = await connect(server.port)
  await expect(collect(lost, 'p')).rejects.toMatchObject({
    name: 'Connection.Lost',
    retryable: true,
    params: { rows: 2 },
  })
  expect(lost.isUsable).toBe(false)
  await using connection = await connect(server.port)
  expect((await collect(connection, 'p')).rows[0]).toHaveLength(3)
})

test('SR-01: a sink that is still busy when the connection is lost gets nothing more', async () => {
  const many = Array.from({ length: 5_000 }, (_, i) => [String(i)])
  await using server = await startTdsServer({
    procedures: { p: () => [script.columns([['id', t.int]]), script.rows(many), script.wait(20), script.cut] },
  })
  await using connection = await connect(server.port)
  let batches = 0
  const slow = async () => {
    batches++
    await delay(150)
  }
  const call = connection.call(callOf('p'), { ...collector().sink, rows: slow }, never)
  await expect(call).rejects.toMatchObject({ name: 'Connection.Lost' })
  const before = batches
  await delay(300)
  expect(batches).toBe(before)
})

test.each([1205, 1222, 40613, 40197, 40501, 49918])('SR-09: error %i is transient', async (number) => {
  await using server = await startTdsServer({
    procedures: { p: () => [...oneSet, raise, script.error(number, 'Chosen as the victim.', 13)] },
  })
  await using connection = await connect(server.port)
  const deadlock = { name: 'Connection.Deadlock', retryable: true, params: { code: String(number), procedure: 'p' } }
  await expect(collect(connection, 'p')).rejects.toMatchObject(deadlock)
})

const silent = { quiet: () => [script.silence], stuck: () => [...oneSet.slice(0, 2), script.silence] }
test.each(Object.keys(silent))('SR-09: a call that is too slow (%s) is cut within a moment', async (procedure) => {
  await using server = await startTdsServer({ procedures: silent })
  await using connection = await connect(server.port)
  const started = performance.now()
  await expect(collect(connection, procedure, { timeoutMs: 200 })).rejects.toMatchObject({ name: 'Connection.Timeout' })
  expect(performance.now() - started).toBeLessThan(1_500)
  await delay(50)
  expect([server.connections, connection.isUsable]).toEqual([0, false])
  expect(server.messages.some(({ kind }) => kind === 'attention')).toBe(false)
})

test('a cancelled call is cut at once, and nothing reaches the sink any more', async () => {
  const endless = function* () {
    for (let i = 0; ; i++) yield [String(i)]
  }
  await using server = await startTdsServer({ procedures: { p: () => script.resultSet([['id', t.int]], endless()) } })
  await using connection = await connect(server.port)
  const cancel = new AbortController()
  let batches = 0
  const { sink } = collector()
  const call = connection.call(
    callOf('p'),
    {
      ...sink,
      rows: () => {
        if (++batches === 3) cancel.abort()
      },
    },
    cancel.signal,
  )
  await expect(call).rejects.toMatchObject({ name: 'Connection.Cancelled', params: { rows: 3 * 2_048 } })
  await delay(100)
  expect([batches, server.connections, connection.isUsable]).toEqual([3, 0, false])
})

test('what the sink throws ends the call as it is', async () => {
  await using server = await startTdsServer({ procedures: { p: () => oneSet } })
  const refusal = new Error('refused')
  for (const at of ['columns', 'rows', 'later'] as const) {
    await using connection = await connect(server.port)
    const { sink } = collector()
    const fail = () => {
      throw refusal
    }
    const bad = at === 'later' ? { rows: () => Promise.reject(refusal) } : { [at]: fail }
    await expect(connection.call(callOf('p'), { ...sink, ...bad }, never)).rejects.toBe(refusal)
    expect(connection.isUsable).toBe(false)
  }
})

test('SR-10: a refused login is reported once, without the password; permissions name the grant', async () => {
  await using server = await startTdsServer({
    procedures: {
      'dbo.p': () => [
        script.error(229, "The EXECUTE permission was denied on the object 'p', database 'erp', schema 'dbo'.", 14),
      ],
    },
  })
  const refused = await connect(server.port, { password: 'hunter2' }).catch((error: Error) => error)
  expect(refused).toMatchObject({ name: 'Connection.LoginFailed', retryable: false, exit: 3 })
  expect(String(refused)).not.toContain('hunter2')
  expect(server.messages.filter(({ kind }) => kind === 'login')).toHaveLength(1)
  await using connection = await connect(server.port)
  const forbidden = await collect(connection, 'dbo.p').catch((error) => error)
  expect(forbidden).toMatchObject({ name: 'Connection.Forbidden', exit: 3, retryable: false })
  expect(forbidden.hint).toContain('USE erp; GRANT EXECUTE ON OBJECT::dbo.p TO reader;')
  await expect(collect(connection, 'dbo.none')).rejects.toMatchObject({ name: 'Connection.NoProcedure' })
  expect(connection.isUsable).toBe(true)
})

test('a server that moves a database at login can be tried again; one that is not there, or says nothing, too', async () => {
  await using moving = await startTdsServer({ procedures: {}, loginError: { number: 40_613, text: 'Not available.' } })
  await using mute = await startTdsServer({ procedures: {}, mute: true })
  const gone = await startTdsServer({ procedures: {} })
  await gone[Symbol.asyncDispose]()
  for (const { port } of [moving, mute, gone])
    await expect(connect(port, { connectTimeoutSeconds: 0.3 })).rejects.toMatchObject({
      name: 'Connection.Unreachable',
      retryable: true,
    })
})

test('SR-11: names are quoted part by part, and what runs a text of SQL is refused before anything is sent', async () => {
  await using server = await startTdsServer({ procedures: { 'my db.dbo.x"];drop--': () => oneSet } })
  await using connection = await connect(server.port)
  await collect(connection, '[my db].dbo.[x"]];drop--]')
  expect(server.calls()[0]!.sentName).toBe('[my db].dbo.[x"]];drop--]')
  const refused = [
    '',
    'a.b.c.d',
    'a..b',
    '[a',
    'x'.repeat(129),
    'sp_executesql',
    'master.sys.[SP_ExecuteSQL]',
    'sp_executesql;1',
    'xp_cmdshell',
    'sp_prepexec',
    'a\u0000b',
  ]
  for (const name of refused)
    await expect(collect(connection, name), name).rejects.toMatchObject({ name: 'Connection.InvalidName' })
  for (const name of ['', 'a b', 'a]', `x${'y'.repeat(128)}`])
    await expect(collect(connection, 'p', { parameters: [{ name, type: 'text', value: '' }] })).rejects.toMatchObject({
      name: 'Connection.InvalidName',
    })
  expect(server.calls()).toHaveLength(1)
})

test("the wire test: beside the driver's fixed settings, remote procedure calls are all that is ever sent", async () => {
  await using server = await startTdsServer({ procedures: { p: () => oneSet } })
  const evil = "1; DROP TABLE customers; EXEC('x') --"
  await using connection = await connect(server.port)
  await collect(connection, 'p', { parameters: [{ name: 'a', type: 'text', value: evil }], output: [] })
  await collect(connection, evil.slice(0, 60)).catch(() => {})
  await connection.describe('dbo.p').catch(() => {})
  const kinds = server.messages.map(({ kind }) => kind)
  expect(kinds.slice(0, 3)).toEqual(['prelogin', 'login', 'batch'])
  expect(new Set(kinds.slice(3))).toEqual(new Set(['rpc', 'batch']))
  const batches = server.messages.filter((m) => m.kind === 'batch')
  expect(batches.map(({ resets }) => resets)).toEqual([false, true])
  expect(new Set(batches.map(({ text }) => text))).toHaveProperty('size', 1)
  expect(batches[0]!.text.split('\n').every((line) => /^set [a-z_ ]+ [a-z0-9_]+$/.test(line))).toBe(true)
  expect(server.messages.flatMap((m) => (m.kind === 'rpc' ? [m.sentName] : []))).toEqual([
    'sp_sproc_columns',
    'p',
    "[1; DROP TABLE customers; EXEC('x') --]",
    'sp_stored_procedures',
  ])
  const [login] = server.messages.filter((m) => m.kind === 'login')
  expect(login).toMatchObject({ user: 'reader', database: 'erp', application: 'sluice', language: 'us_english' })
})

const certificates = testCertificates()
const { ca, otherCa } = certificates
test.each([
  ['signed by nobody that is trusted', certificates.selfSigned, { ca }],
  ['signed by another authority', certificates.right, { ca: otherCa }],
  ['for another host', certificates.wrongHost, { ca }],
  ['that has run out', certificates.expired, { ca }],
  ['of nobody, where there is no TLS at all', undefined, { ca }],
] as const)('SR-12: a certificate %s is refused before a password is sent', async (_which, tls, more) => {
  await using server = await startTdsServer({ procedures: {}, ...(tls === undefined ? {} : { tls }) })
  const failed = connect(server.port, { host: 'localhost', tls: 'verified', ...more })
  await expect(failed).rejects.toMatchObject({ name: 'Connection.Tls', retryable: false, exit: 3 })
  await delay(50)
  expect(server.messages.map(({ kind }) => kind)).toEqual(['prelogin'])
  expect(server.connections).toBe(0)
})

test('SR-12: a server that insists on TLS is told as that, where TLS was turned off', async () => {
  await using server = await startTdsServer({ procedures: {}, tls: certificates.right })
  await expect(connect(server.port)).rejects.toMatchObject({
    name: 'Connection.Tls',
    params: { why: expect.stringContaining('without TLS') },
  })
  expect(server.messages.map(({ kind }) => kind)).toEqual(['prelogin'])
})

test('SR-12: verified TLS, another name by option, and TLS without verifying where that is said', async () => {
  const big = script.resultSet([['x', t.nvarchar('max')]], ids('🐎'.repeat(200_000)))
  const open = [
    [certificates.right, { tls: 'verified', ca, host: 'localhost' }],
    [certificates.wrongHost, { tls: 'verified', ca, host: 'localhost', serverName: 'elsewhere.test' }],
    [certificates.expired, { tls: 'unverified', host: 'localhost' }],
  ] as const
  for (const [tls, more] of open) {
    await using server = await startTdsServer({ procedures: { big: () => big }, tls })
    await using connection = await connect(server.port, more)
    expect((await collect(connection, 'big')).rows[0]![0]![0]).toHaveLength(400_000)
  }
})

test('a transaction that a procedure leaves open is not handed to the next call', async () => {
  const begin = Buffer.from('e30b000808000000000000000100', 'hex')
  await using server = await startTdsServer({ procedures: { p: () => [script.bytes(begin), ...oneSet] } })
  await using connection = await connect(server.port)
  expect((await collect(connection, 'p')).rows[0]).toHaveLength(2)
  expect(connection.isUsable).toBe(false)
})

test('SR-14: between two calls the server resets the session, and the driver sets it again; a line that is cut then is lost', async () => {
  await using server = await startTdsServer({ procedures: { p: () => oneSet, broken: () => [...oneSet, raise] } })
  await using connection = await connect(server.port)
  await collect(connection, 'p')
  await expect(collect(connection, 'broken')).rejects.toMatchObject({ name: 'Connection.CallFailed' })
  expect((await collect(connection, 'p')).end.rows).toEqual([2])
  const heard = server.messages.flatMap((m): (string | boolean)[] =>
    m.kind === 'batch' ? [m.resets] : m.kind === 'rpc' ? [m.sentName] : [],
  )
  expect(heard).toEqual([false, 'p', true, 'broken', true, 'p'])
  const cancelled = connection.call(callOf('p'), collector().sink, AbortSignal.abort())
  await expect(cancelled).rejects.toMatchObject({ name: 'Connection.Cancelled' })
  await expect(collect(connection, 'p')).rejects.toMatchObject({ name: 'Connection.Lost', retryable: true })
})

test('a server that answers as Babelfish does: numbers of its own, no name, counts of SETs, wide numerics', async () => {
  const unmapped = (text: string) => [script.error(33_557_097, text)]
  await using server = await startTdsServer({
    procedures: {
      p: () => [
        script.bytes(tokens.done(0xff, 0x10, 0)),
        script.columns([['n', t.numeric(38, 4)]]),
        script.rows([['12345678901234.5678'], [null]]),
        script.bytes(tokens.done(0xff, 0x11, 2)),
        script.bytes(tokens.done(0xff, 1, 0)),
        script.returns(0),
      ],
      forbidden: () => unmapped('permission denied for procedure forbidden'),
      nowhere: () => unmapped("Could not find stored procedure 'nowhere'."),
    },
  })
  await using connection = await connect(server.port)
  const { rows, columns, end } = await collect(connection, 'p')
  expect([rows, columns[0]![0]!.type]).toEqual([[[['12345678901234.5678'], [null]]], 'decimal(38,4)'])
  expect(end.rows).toEqual([2])
  await expect(collect(connection, 'forbidden')).rejects.toMatchObject({ name: 'Connection.Forbidden', exit: 3 })
  await expect(collect(connection, 'nowhere')).rejects.toMatchObject({ name: 'Connection.NoProcedure' })
})

test('connecting ends when it is cancelled', async () => {
  await using server = await startTdsServer({ procedures: {}, mute: true })
  const started = performance.now()
  const attempt = sqlServerConnector.connect(settingsOf(server.port), AbortSignal.timeout(100))
  await expect(attempt).rejects.toMatchObject({ name: 'Connection.Unreachable' })
  expect(performance.now() - started).toBeLessThan(2_000)
})

const described = catalog({
  'dbo.usp_customers': {
    parameters: [
      { name: 'region', type: 'nvarchar', precision: 3 },
      { name: 'since', type: 'datetime2', precision: 27, scale: 7 },
      { name: 'note', type: 'nvarchar', precision: 0 },
      { name: 'total', type: 'decimal', precision: 38, scale: 10, output: true },
    ],
    result: [
      ['id', 'int', false],
      ['amount', 'decimal(18,4)', true],
      ['changed', 'datetimeoffset(7)', true],
      ['name', 'nvarchar(max)', true],
    ],
  },
  'dbo.usp_temp': { parameters: [], result: 11_526 },
  'dbo.uspXtemp': { parameters: [], result: [] },
})

test('procedures are described by the catalog, without a call; the server may not know the columns', async () => {
  await using server = await startTdsServer({ procedures: described })
  await using connection = await connect(server.port)
  const all = await connection.describe()
  expect(all.map(({ procedure }) => procedure)).toEqual(['dbo.uspXtemp', 'dbo.usp_customers', 'dbo.usp_temp'])
  expect(all[1]).toEqual({
    procedure: 'dbo.usp_customers',
    parameters: [
      { name: 'region', serverType: 'nvarchar(3)', type: 'text', output: false },
      { name: 'since', serverType: 'datetime2(7)', type: 'timestamp', output: false },
      { name: 'note', serverType: 'nvarchar(max)', type: 'text', output: false },
      { name: 'total', serverType: 'decimal(38,10)', type: 'decimal(38,10)', output: true },
    ],
    columns: [
      { name: 'id', serverType: 'int', type: 'integer', nullable: false },
      { name: 'amount', serverType: 'decimal(18,4)', type: 'decimal(18,4)', nullable: true },
      { name: 'changed', serverType: 'datetimeoffset(7)', type: 'timestamptz', nullable: true },
      { name: 'name', serverType: 'nvarchar(max)', type: 'text', nullable: true },
    ],
  })
  expect(all[0]!.note).toBe('The server does not know the columns without a call.')
  expect(all[2]!.note).toContain('The metadata could not be determined.')
  expect((await connection.describe('dbo.usp_temp')).map(({ procedure }) => procedure)).toEqual(['dbo.usp_temp'])
  expect(await connection.describe('dbo.none')).toEqual([])
})

test('SR-11: a text that the procedure would cut is refused; a server that does not tell lengths is called', async () => {
  await using server = await startTdsServer({
    procedures: { ...described, 'dbo.usp_customers': () => oneSet, p: () => oneSet },
  })
  await using connection = await connect(server.port)
  const region = (value: string) => ({ parameters: [{ name: 'Region', type: 'text' as const, value }] })
  await expect(collect(connection, 'dbo.usp_customers', region('north'))).rejects.toMatchObject({
    name: 'Connection.ValueTooLong',
    params: { parameter: 'Region', length: 5, limit: 3 },
  })
  expect(server.calls()).toEqual([])
  await collect(connection, 'dbo.usp_customers', region('nor'))
  await collect(connection, 'p', region('north'))
  expect(server.calls()).toHaveLength(2)
  expect(server.messages.filter((m) => m.kind === 'rpc' && m.procedure === 'sp_sproc_columns')).toHaveLength(2)
})

test('another user of the driver in the same process gets what the driver gives', async () => {
  await using server = await startTdsServer({
    procedures: { p: () => script.resultSet([['d', t.decimal(18, 4)]], [['1.5000']]) },
  })
  await using connection = await connect(server.port)
  expect((await collect(connection, 'p')).rows).toEqual([[['1.5000']]])
  const driver = new Connection({
    server: '127.0.0.1',
    authentication: { type: 'default', options: { userName: 'reader', password: 'secret' } },
    options: { port: server.port, encrypt: false },
  })
  await new Promise<void>((resolve, reject) => driver.connect((error) => (error ? reject(error) : resolve())))
  const values: unknown[] = []
  await new Promise<void>((resolve, reject) => {
    const request = new Request('p', (error) => (error ? reject(error) : resolve()))
    request.on('row', (columns: readonly { value: unknown }[]) => values.push(columns[0]!.value))
    driver.callProcedure(request)
  })
  driver.close()
  expect(values).toEqual([1.5])
})
