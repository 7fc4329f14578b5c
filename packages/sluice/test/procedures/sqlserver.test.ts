import { rmSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { command, makeProject, query } from '../acceptance/project.ts'
import * as script from '../doubles/tds/script.ts'
import { startTdsServer, type TdsServerOptions } from '../doubles/tds/server.ts'
import { types } from '../doubles/tds/types.ts'
import { lakeOf } from './project.ts'

/** The command line against SQL Server's protocol, spoken by the double. */
const roots: string[] = []
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true })
})

function project(port: number, source: string): string {
  const root = makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.ts': `import { defineConfig, secret, sqlServer } from 'sluice'
export default defineConfig({ name: 'erp', connections: { erp: sqlServer({ host: '127.0.0.1', port: ${port}, database: 'erp', user: 'reader', password: secret('ERP_PASSWORD'), tls: 'off' }) } })\n`,
    '.env': 'ERP_PASSWORD=secret\n',
    'pipelines/erp/pipeline.ts': `import { each, nullable, parameter, pipeline, procedures, windowFrom, windowTo } from 'sluice'
export default pipeline('erp', { sources: { ...procedures('erp', [${source}]) } })\n`,
  })
  roots.push(root)
  return root
}

const prices = `{ procedure: 'dbo.usp_prices', columns: { id: 'integer', price: 'decimal(38,10)', paid: nullable('decimal(19,4)'), at: 'timestamp', note: nullable('text') }, quarantine: { maxShare: 0.5 } }`
const columns = [
  ['id', types.int],
  ['price', types.decimal(38, 10)],
  ['paid', types.money],
  ['at', types.datetime2(7)],
  ['note', types.nvarchar('max')],
] as const
const rows = [
  ['1', '1234567890123456789012345678.1234567891', '922337203685477.5807', '2024-02-29 23:59:59.1234560', 'Ünal 😀'],
  ['2', '-0.0000000001', null, '0001-01-01 00:00:00.0000000', null],
]

test('SR-06: what JavaScript would round lands exactly; a seventh digit that a timestamp does not hold is refused, not cut', async () => {
  const late = ['3', '1.0000000000', '1.0000', '2024-01-01 00:00:00.0000001', 'seven digits']
  await using server = await startTdsServer({
    procedures: { 'dbo.usp_prices': () => [...script.resultSet(columns, [...rows, late]), script.returns(0)] },
  })
  const root = project(server.port, prices)
  const { code, stdout, stderr } = await command(root, ['run'])
  expect(code, stdout + stderr).toBe(0)
  const found = await query(
    root,
    'SELECT id, price::VARCHAR AS price, paid::VARCHAR AS paid, "at"::VARCHAR AS "at", note FROM raw.prices ORDER BY id',
  )
  expect(found).toEqual([
    { id: 1, price: rows[0]?.[1], paid: rows[0]?.[2], at: '2024-02-29 23:59:59.123456', note: rows[0]?.[4] },
    { id: 2, price: rows[1]?.[1], paid: null, at: '0001-01-01 00:00:00', note: null },
  ])
  const [refused] = await query(root, 'SELECT reasons, fields FROM sluice.quarantine')
  expect(refused).toMatchObject({ reasons: ['cast:at'] })
  expect(JSON.stringify(refused)).toContain('2024-01-01 00:00:00.0000001')
})

test('SR-06: a seventh digit is cut where the column says so', async () => {
  const late = ['3', '1.0000000000', '1.0000', '2024-01-01 00:00:00.1234567', 'seven digits']
  await using server = await startTdsServer({
    procedures: { 'dbo.usp_prices': () => [...script.resultSet(columns, [late]), script.returns(0)] },
  })
  const cut = prices.replace("at: 'timestamp'", "at: { type: 'timestamp', fraction: 'truncate' }")
  const root = project(server.port, cut)
  const { code, stdout, stderr } = await command(root, ['run'])
  expect(code, stdout + stderr).toBe(0)
  const found = await query(root, 'SELECT "at"::VARCHAR AS "at" FROM raw.prices')
  expect(found).toEqual([{ at: '2024-01-01 00:00:00.123456' }])
})

test('half of a surrogate pair in one cell refuses its row, not the table; quarantine has its bytes', async () => {
  const texts = [
    ['id', types.int],
    ['note', types.nvarchar(20)],
    ['more', types.nvarchar('max')],
    ['any', types.nchar(4)],
  ] as const
  const given = [
    ['1', 'fine 😀', 'a', 'b   '],
    ['2', 'Hi \ud83d', 'a', 'b   '],
    ['3', 'fine', '\ude00', 'b   '],
    ['4', 'fine', 'a', 'b\ud83d  '],
  ]
  await using server = await startTdsServer({
    procedures: { 'dbo.usp_texts': () => [...script.resultSet(texts, given), script.returns(0)] },
  })
  const source = `{ procedure: 'dbo.usp_texts', columns: { id: 'integer', note: 'text', more: nullable('text'), any: 'text' }, quarantine: { maxShare: 0.9 } }`
  const root = project(server.port, source)
  const { code, stdout, stderr } = await command(root, ['run'])
  expect(code, stdout + stderr).toBe(0)
  expect(await query(root, 'SELECT id, note FROM raw.texts')).toEqual([{ id: 1, note: 'fine 😀' }])
  const refused = await query(root, 'SELECT reasons, fields FROM sluice.quarantine ORDER BY _record')
  expect(refused.map(({ reasons }) => reasons)).toEqual([['cast:note'], ['cast:more'], ['cast:any']])
  expect(JSON.stringify(refused[0])).toContain('not UTF-16: 4800690020003dd8')
  expect(JSON.stringify(refused[1])).toContain('not UTF-16: 00de')
})

/** A server that fails a procedure's first calls. */
const failingFirst = (...failures: readonly (readonly script.Step[])[]): TdsServerOptions['procedures'] => {
  const left = [...failures]
  return { 'dbo.usp_prices': () => left.shift() ?? [...script.resultSet(columns, rows), script.returns(0)] }
}
const some = [script.columns(columns), script.rows(rows.slice(0, 1))]

test.each([
  ['SR-01: cut after a row', [...some, script.cut]],
  [
    'SR-09: chosen as the victim of a deadlock',
    [...some, script.error(1205, 'Transaction was deadlocked', 13), script.done()],
  ],
])('%s: called again, with the same values, and each row is there once', async (_title, failure) => {
  await using server = await startTdsServer({ procedures: failingFirst(failure) })
  const root = project(server.port, prices)
  const { code, stdout, stderr } = await command(root, ['run'])
  expect(code, stdout + stderr).toBe(0)
  expect(await query(root, 'SELECT count(*)::INTEGER AS n FROM raw.prices')).toEqual([{ n: 2 }])
  expect(server.calls().length).toBe(2)
  const log = await lakeOf(root).extraction('raw.prices')
  expect(log?.attempts.map(({ error }) => error !== undefined)).toEqual([true, false])
})

test.each([
  [
    'SR-02: an error after all rows',
    [...script.resultSet(columns, rows), script.error(50_000, 'half of it is missing'), script.done()],
    1,
    'SLU3110',
  ],
  ['SR-02: a return code', [...script.resultSet(columns, rows), script.returns(1)], 1, 'SLU3033'],
  ['SR-01: an answer without its last word', [...some, script.end], 1, 'SLU3116'],
  ['SR-04: no result set', [script.returns(0)], 1, 'SLU3031'],
  [
    'SR-05: a column that became a double',
    script.resultSet([...columns.slice(0, 1), ['price', types.float], ...columns.slice(2)], []),
    1,
    'SLU3030',
  ],
  [
    'SR-10: no right to call',
    [script.error(229, 'The EXECUTE permission was denied', 14), script.done()],
    3,
    'SLU3111',
  ],
])('%s: the run ends in failure, without a version', async (_title, steps, exit, number) => {
  await using server = await startTdsServer({ procedures: { 'dbo.usp_prices': () => steps } })
  const root = project(server.port, prices)
  const { code, stdout, stderr } = await command(root, ['run'])
  expect(code, stdout + stderr).toBe(exit)
  expect(stdout + stderr).toContain(number)
  expect(await lakeOf(root).current('raw.prices')).toBeUndefined()
  expect(await lakeOf(root).extraction('raw.prices')).toMatchObject({
    status: 'failed',
    attempts: [{ error: { code: number } }],
  })
})

test('SR-10: a refused login ends every task, is tried once, and names no password', async () => {
  await using server = await startTdsServer({
    procedures: {},
    loginError: { number: 18_456, text: "Login failed for user 'reader'." },
  })
  const sources = ['a', 'b', 'c'].map((name) => `{ procedure: 'dbo.usp_${name}', columns: { id: 'integer' } }`)
  const root = project(server.port, sources.join(', '))
  const { code, stdout, stderr } = await command(root, ['run'])
  expect(code, stdout + stderr).toBe(3)
  expect(server.messages.filter(({ kind }) => kind === 'login').length).toBe(1)
  expect((await command(root, ['run'])).code).toBe(3)
  expect(server.messages.filter(({ kind }) => kind === 'login').length).toBe(1)
})
