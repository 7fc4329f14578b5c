import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { sluiceError } from '../../src/base/errors.ts'
import { openProject } from '../../src/run/project.ts'
import { arriving, scriptedServer } from '../doubles/scripted-server.ts'
import { lakeOf, project, rowsOf, run } from './project.ts'

const customers = `[{ procedure: 'dbo.usp_customers', columns: { id: 'integer', name: nullable('text'), balance: 'decimal(18,4)' } }]`
const customerColumns = [
  arriving('id', 'integer', 'int'),
  arriving('name', 'text', 'nvarchar(50)'),
  arriving('balance', 'decimal(18,4)'),
]

test('a procedure becomes a version; the same rows again, in any order, make no other', async () => {
  const rows = [
    ['1', 'Åse', '12345678901234.5678'],
    ['2', null, '-0.0001'],
  ]
  const server = scriptedServer({ 'dbo.usp_customers': () => [{ columns: customerColumns, rows }] })
  const root = project(customers)
  const first = await run(root, server)
  expect(first.summary).toMatchObject({ status: 'succeeded', rows: { read: 2, accepted: 2 } })
  rows.reverse()
  const second = await run(root, server)
  expect(second.summary).toMatchObject({
    status: 'succeeded',
    tasks: { unchanged: 1 },
    rows: { read: 2, accepted: 0, dropped: 2 },
  })
  expect((await lakeOf(root).versions('raw.customers')).length).toBe(1)
  expect(await lakeOf(root).extraction('raw.customers')).toMatchObject({ status: 'unchanged', version: 1 })
  rows[0] = ['2', '', '-0.0001']
  const third = await run(root, server)
  expect(third.summary.rows).toMatchObject({ read: 2, accepted: 2, dropped: 0 })
  expect(await rowsOf(root, 'SELECT * FROM raw.customers ORDER BY id')).toEqual([
    { id: 1, name: 'Åse', balance: '12345678901234.5678' },
    { id: 2, name: '', balance: '-0.0001' },
  ])
})

const good = [
  ['1', 'a', '1.0000'],
  ['2', 'b', '2.0000'],
]
const lost = () =>
  sluiceError('Connection.Lost', { connection: 'erp', procedure: 'dbo.usp_customers', rows: 2, why: 'reset' })
const deadlock = () =>
  sluiceError('Connection.Deadlock', { procedure: 'dbo.usp_customers', code: '1205', why: 'victim' })

test.each([
  ['SR-01: a connection lost after rows', lost],
  ['SR-09: a deadlock', deadlock],
])('%s: the whole call is made again, and its rows are there once', async (_title, error) => {
  let attempts = 0
  const server = scriptedServer({
    'dbo.usp_customers': () =>
      attempts++ === 0
        ? [{ columns: customerColumns, rows: good }, { fails: error() }]
        : [{ columns: customerColumns, rows: good }],
  })
  const root = project(customers)
  expect((await run(root, server)).summary).toMatchObject({ status: 'succeeded', rows: { read: 2, accepted: 2 } })
  expect(await rowsOf(root, 'SELECT count(*)::INTEGER AS n FROM raw.customers')).toEqual([{ n: 2 }])
  const log = await lakeOf(root).extraction('raw.customers')
  expect(log).toMatchObject({
    status: 'committed',
    version: 1,
    attempts: [
      { attempt: 1, rows: 2, calls: 0 },
      { attempt: 2, rows: 2, calls: 1 },
    ],
  })
  expect(log?.attempts[0]?.error?.name).toBe(error().name)
})

test('SR-02: an error after rows discards them; the table stays as it was, and the log says why', async () => {
  const server = scriptedServer({ 'dbo.usp_customers': () => [{ columns: customerColumns, rows: good }] })
  const root = project(customers)
  await run(root, server)
  const fails = sluiceError('Connection.CallFailed', {
    procedure: 'dbo.usp_customers',
    code: '50000',
    severity: 16,
    why: 'no',
    rows: 1,
    more: 0,
  })
  server.procedures = { 'dbo.usp_customers': () => [{ columns: customerColumns, rows: [['9', 'x', '1']] }, { fails }] }
  const { summary, errors } = await run(root, server)
  expect(summary.status).toBe('failed')
  expect(errors).toMatchObject([{ name: 'Connection.CallFailed' }])
  expect(await lakeOf(root).extraction('raw.customers')).toMatchObject({
    status: 'failed',
    attempts: [{ rows: 1, error: { code: 'SLU3110' } }],
  })
  expect((await lakeOf(root).current('raw.customers'))?.version).toBe(1)
})

test('SR-03: what a procedure says is recorded, or fails the call', async () => {
  const message = { text: 'hello', code: '0', severity: 0 }
  const server = scriptedServer({ 'dbo.usp_customers': () => [{ message }, { columns: customerColumns, rows: good }] })
  const root = project(customers)
  expect((await run(root, server)).summary.status).toBe('succeeded')
  expect((await lakeOf(root).extraction('raw.customers'))?.attempts[0]?.messages).toEqual([message])
  const strict = project(customers.replace('columns', "messages: 'fail', columns"))
  expect((await run(strict, server)).errors).toMatchObject([{ name: 'Source.MessageRefused' }])
})

const ids = [arriving('id', 'integer', 'int')]

test('SR-04: a result set that no source takes is refused; each source takes its own; none at all is refused', async () => {
  const two = () => [
    { columns: ids, rows: [['1']] },
    { columns: ids, rows: [['7'], ['8']] },
  ]
  const server = scriptedServer({ 'dbo.usp_two': two })
  const one = "{ procedure: 'dbo.usp_two', table: 'one', columns: { id: 'integer' } }"
  const alone = project(`[${one}]`)
  const { errors } = await run(alone, server)
  expect(errors).toMatchObject([{ name: 'Source.ResultSet' }])
  expect(await lakeOf(alone).current('raw.one')).toBeUndefined()
  const both = project(
    `[${one}, { procedure: 'dbo.usp_two', table: 'other', resultSet: 2, columns: { id: 'integer' } }]`,
  )
  expect((await run(both, server)).summary.status).toBe('succeeded')
  expect(await rowsOf(both, 'SELECT id FROM raw.other ORDER BY id')).toEqual([{ id: 7 }, { id: 8 }])
  server.procedures = { 'dbo.usp_two': () => [] }
  expect((await run(both, server)).errors.map(({ name }) => name)).toEqual(['Source.ResultSet', 'Source.ResultSet'])
})

test('an empty result is a version with a schema', async () => {
  const root = project(customers)
  const { summary } = await run(
    root,
    scriptedServer({ 'dbo.usp_customers': () => [{ columns: customerColumns, rows: [] }] }),
  )
  expect(summary.status).toBe('succeeded')
  expect(await lakeOf(root).current('raw.customers')).toMatchObject({
    rows: 0,
    fields: [{ name: 'id' }, { name: 'name' }, { name: 'balance' }],
  })
})

test('SR-05: a contract that changed makes no version, and the difference is told with its class', async () => {
  const [id, name, balance] = customerColumns as [never, never, never]
  const server = scriptedServer({ 'dbo.usp_customers': () => [{ columns: [id, balance, name], rows: [] }] })
  const root = project(customers)
  const { errors } = await run(root, server)
  expect(errors[0]).toMatchObject({ name: 'Source.ContractChanged', code: 'SLU3030' })
  expect(errors[0]?.message).toMatch(/reordered +additive +name +place 2 +place 3 of 3/)
  expect(errors[0]?.message).toContain('sluice crawl erp')
  expect(await lakeOf(root).current('raw.customers')).toBeUndefined()
  // Taken where the source says so: values go by their names.
  server.procedures = {
    'dbo.usp_customers': () => [
      { columns: [balance, arriving('extra', 'date'), name, id], rows: [['1.5', '2020-01-01', 'a', '7']] },
    ],
  }
  const evolving = project(customers.replace('columns', "evolve: 'additive', columns"))
  expect((await run(evolving, server)).summary).toMatchObject({ status: 'succeeded', warnings: 2 })
  expect(await rowsOf(evolving, 'SELECT * FROM raw.customers')).toEqual([{ id: 7, name: 'a', balance: '1.5000' }])
})

test('SR-06: a value that its column does not hold goes to quarantine, whole; more than are allowed refuse the call', async () => {
  const rows = [...Array.from({ length: 999 }, (_, n) => [String(n), 'x', '1']), ['3000000000', 'big', '0.00001']]
  const server = scriptedServer({ 'dbo.usp_customers': () => [{ columns: customerColumns, rows }] })
  const root = project(customers)
  expect((await run(root, server)).summary).toMatchObject({ rows: { read: 1000, accepted: 999, quarantined: 1 } })
  expect(await rowsOf(root, 'SELECT _record::INTEGER AS record, reasons, fields FROM sluice.quarantine')).toMatchObject(
    [{ record: 1000, reasons: ['cast:id', 'cast:balance'], fields: expect.stringContaining('3000000000') }],
  )
  // The same rows are refused again: the content is what it was.
  expect((await run(root, server)).summary.tasks).toMatchObject({ unchanged: 1 })
  rows.splice(0, 990)
  expect((await run(root, server)).errors).toMatchObject([{ name: 'Quality.TooManyRefused' }])
})

test('rows that share a key are all refused', async () => {
  const rows = [...Array.from({ length: 300 }, (_, n) => [String(n), 'x', '1']), ['7', 'again', '2']]
  const server = scriptedServer({ 'dbo.usp_customers': () => [{ columns: customerColumns, rows }] })
  const root = project(customers.replace('columns', "key: 'id', columns"))
  expect((await run(root, server)).summary.rows).toMatchObject({ read: 301, accepted: 299, quarantined: 2 })
  expect(await rowsOf(root, 'SELECT count(*)::INTEGER AS n FROM raw.customers WHERE id = 7')).toEqual([{ n: 0 }])
  expect(await rowsOf(root, "SELECT fields->>'name' AS name FROM sluice.quarantine ORDER BY 1")).toEqual([
    { name: 'again' },
    { name: 'x' },
  ])
})

test.each([
  ['rows that the server counted and nobody received', { rows: [3] }, '', 'Source.RowsLost'],
  ['a return code', { returnCode: 4 }, '', 'Source.ReturnCode'],
  [
    'an output that is not the number of rows',
    { output: { n: '3' } },
    "output: { n: { type: 'integer', equals: 'rows' } },",
    'Source.OutputDiffers',
  ],
])('%s: no version', async (_title, end, option, error) => {
  const server = scriptedServer({ 'dbo.usp_customers': () => [{ columns: customerColumns, rows: good }, { end }] })
  const root = project(customers.replace('columns', `${option} columns`))
  expect((await run(root, server)).errors).toMatchObject([{ name: error }])
  expect(await lakeOf(root).current('raw.customers')).toBeUndefined()
})

test('what a procedure returns and puts out is kept in the log', async () => {
  const end = { returnCode: 2, output: { n: '2.00' } }
  const server = scriptedServer({ 'dbo.usp_customers': () => [{ columns: customerColumns, rows: good }, { end }] })
  const root = project(
    customers.replace(
      'columns',
      "returnCodes: [0, 2], output: { n: { type: 'decimal(9,2)', equals: 'rows' } }, columns",
    ),
  )
  expect((await run(root, server)).summary.status).toBe('succeeded')
  expect((await lakeOf(root).extraction('raw.customers'))?.attempts).toMatchObject([end])
})

test('SR-10: a refused login is tried once, whatever runs beside it; a corrected one at once', async () => {
  const list = Array.from({ length: 6 }, (_, n) => `{ procedure: 'dbo.usp_t${n}', columns: { id: 'integer' } }`)
  const root = project(`[${list.join(', ')}]`)
  const server = scriptedServer(
    Object.fromEntries(list.map((_, n) => [`dbo.usp_t${n}`, () => [{ columns: ids, rows: [['1']] }]])),
  )
  server.logins.push(sluiceError('Connection.LoginFailed', { connection: 'erp', user: 'u', why: 'password' }))
  const now = new Date()
  const first = await run(root, server, now)
  expect(new Set(first.errors.map(({ name }) => name))).toEqual(
    new Set(['Connection.LoginFailed', 'Connection.LoginHeld']),
  )
  expect(server.tried).toBe(1)
  await run(root, server, new Date(now.getTime() + 59_000))
  expect(server.tried).toBe(1)
  const state = join(root, '.sluice/logins')
  for (const file of readdirSync(state)) expect(readFileSync(join(state, file), 'utf8')).not.toMatch(/hunter2|"u"/)
  writeFileSync(join(root, '.env'), 'ERP_PASSWORD=another\n')
  expect((await run(root, server, new Date(now.getTime() + 59_500))).summary.status).toBe('succeeded')
  expect(server.mostOpen).toBeLessThanOrEqual(4)
  expect(server.open).toBe(0)
})

test('a procedure that is called for each value of a table without any is not called, and that is told', async () => {
  const server = scriptedServer({
    'dbo.usp_regions': () => [{ columns: [arriving('region', 'text', 'varchar(2)')], rows: [] }],
  })
  const root = project(`[
    { procedure: 'dbo.usp_regions', columns: { region: 'text' } },
    { procedure: 'dbo.usp_sales', columns: { id: 'integer' }, parameters: { region: each('raw.regions', 'region', { as: 'region' }) } },
  ]`)
  expect((await run(root, server)).summary).toMatchObject({ status: 'succeeded', warnings: 1 })
  expect(await lakeOf(root).current('raw.sales')).toMatchObject({
    rows: 0,
    fields: [{ name: 'id' }, { name: 'region' }],
  })
  expect(server.calls.length).toBe(1)
})

const mapped = `[
  { procedure: 'dbo.usp_regions', columns: { region: 'text' } },
  { procedure: 'dbo.usp_sales', columns: { id: 'integer' }, parameters: { region: each('raw.regions', 'region', { as: 'region' }) } },
]`
const regions = Array.from({ length: 10 }, (_, n) => [`R${n}`])
const regionColumns = [arriving('region', 'text', 'varchar(2)')]

test('calls for each value are made side by side, within the connections; every row is there once', async () => {
  let [running, most] = [0, 0]
  const server = scriptedServer({
    'dbo.usp_regions': () => [{ columns: regionColumns, rows: regions }],
    'dbo.usp_sales': async ({ parameters }) => {
      most = Math.max(most, ++running)
      const pause = () => new Promise((resolve) => setTimeout(resolve, 20))
      await pause()
      for (let wait = 0; most < 4 && wait < 500; wait++) await pause()
      running--
      const first = Number(parameters[0]?.value?.slice(1)) * 5000
      const rows = Array.from({ length: 5000 }, (_, n) => [String(first + n)])
      return [{ columns: [arriving('id', 'integer')], rows }]
    },
  })
  const root = project(mapped)
  expect((await run(root, server)).summary).toMatchObject({ status: 'succeeded', rows: { accepted: 50_010 } })
  expect([most, server.mostOpen]).toEqual([4, 4])
  const sql =
    'SELECT region, count(DISTINCT id)::INTEGER AS n, min(id) AS first FROM raw.sales GROUP BY region ORDER BY 1'
  expect(await rowsOf(root, sql)).toEqual(regions.map(([region], n) => ({ region, n: 5000, first: n * 5000 })))
})

test('SR-02: where one of the calls for each value fails, the others end, and nothing of any is published', async () => {
  const server = scriptedServer({
    'dbo.usp_regions': () => [{ columns: regionColumns, rows: regions }],
    'dbo.usp_sales': async ({ parameters }) => {
      const columns = [arriving('id', 'integer')]
      if (parameters[0]?.value !== 'R2') return [{ columns, rows: [['1']] }]
      const why = { procedure: 'dbo.usp_sales', code: '50000', severity: 16, why: 'no', rows: 1, more: 0 }
      return [{ columns, rows: [['1']] }, { fails: sluiceError('Connection.CallFailed', why) }]
    },
  })
  const root = project(mapped)
  const { summary, errors } = await run(root, server)
  expect(summary.status).toBe('failed')
  expect(errors).toMatchObject([{ name: 'Connection.CallFailed' }])
  expect(await lakeOf(root).current('raw.sales')).toBeUndefined()
  expect(server.calls.length).toBeLessThan(11)
  expect(server.open).toBe(0)
})

test('SR-04: a set that only another call is asked for is refused, not left out', async () => {
  const server = scriptedServer({
    'dbo.usp_two': () => [
      { columns: ids, rows: [['1']] },
      { columns: ids, rows: [['7']] },
    ],
  })
  const root = project(`[
    { procedure: 'dbo.usp_two', table: 'one', parameters: { region: 'EU' }, columns: { id: 'integer' } },
    { procedure: 'dbo.usp_two', table: 'other', parameters: { region: 'US' }, resultSet: 2, columns: { id: 'integer' } },
  ]`)
  expect((await run(root, server)).errors.map(({ name }) => name)).toEqual(['Source.ResultSet', 'Source.ResultSet'])
})

test('a damaged file is written anew by the next call, whose rows are the same', async () => {
  const server = scriptedServer({ 'dbo.usp_ids': () => [{ columns: ids, rows: [['1']] }] })
  const root = project("[{ procedure: 'dbo.usp_ids', columns: { id: 'integer' } }]")
  await run(root, server)
  const [file] = (await lakeOf(root).current('raw.ids'))?.files ?? []
  writeFileSync(join(root, 'lake', file?.path ?? ''), 'PAR1, but not for long: PAR1')
  expect((await run(root, server)).summary.status).toBe('succeeded')
  expect((await lakeOf(root).current('raw.ids'))?.version).toBe(2)
  expect(await rowsOf(root, 'SELECT id FROM raw.ids')).toEqual([{ id: 1 }])
})

test('a cancelled call is told as that in the log, and leaves no connection', async () => {
  const cancelled = new AbortController()
  const server = scriptedServer({
    'dbo.usp_ids': () => {
      cancelled.abort()
      return [{ columns: ids, rows: [['1']] }]
    },
  })
  const root = project("[{ procedure: 'dbo.usp_ids', columns: { id: 'integer' } }]")
  {
    await using opened = await openProject(root, { connectorOf: server.connectorOf })
    expect((await opened.run({ signal: cancelled.signal })).summary.status).toBe('cancelled')
  }
  const log = await lakeOf(root).extraction('raw.ids')
  expect(log).toMatchObject({ status: 'failed', attempts: [{ error: { name: 'Run.Cancelled', code: 'SLU4006' } }] })
  expect(server.open).toBe(0)
})
