/** Several result sets of one call fill several tables, from one call. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { sluiceError } from '../../src/base/errors.ts'
import { command } from '../acceptance/project.ts'
import { arriving, type ScriptedServer, type Step, scriptedServer } from '../doubles/scripted-server.ts'
import * as script from '../doubles/tds/script.ts'
import { startTdsServer } from '../doubles/tds/server.ts'
import { types } from '../doubles/tds/types.ts'
import { lakeOf, project, rowsOf, run } from './project.ts'

const ids = [arriving('id', 'integer', 'int')]
const names = [arriving('id', 'integer', 'int'), arriving('name', 'text', 'nvarchar(20)')]
const window = `parameters: { since: windowFrom(), until: windowTo() }, window: { start: '2025-01-01' }, key: 'id', mode: 'append'`
const list = (more = '', name = 'text') => `[
  { procedure: 'dbo.usp_day', table: 'orders', columns: { id: 'integer' }, ${more} },
  { procedure: 'dbo.usp_day', table: 'customers', resultSet: 2, columns: { id: 'integer', name: '${name}' }, ${more} },
]`
const sets = (orders: readonly string[], customers: readonly (readonly string[])[]): readonly Step[] => [
  { message: { text: 'two sets', code: '0', severity: 0 } },
  { columns: ids, rows: orders.map((id) => [id]) },
  { columns: names, rows: customers },
]
const kept = (root: string): readonly string[] =>
  existsSync(join(root, '.sluice/calls'))
    ? readdirSync(join(root, '.sluice/calls'), { recursive: true, encoding: 'utf8' }).filter((name) =>
        /\.\w+$/.test(name),
      )
    : []
const versions = (root: string) =>
  Promise.all(['raw.orders', 'raw.customers'].map(async (table) => (await lakeOf(root).current(table))?.version))
const at = (day: number) => new Date(`2025-02-0${day}T00:00:00Z`)

test('one call fills a version of each table, and nothing is kept of it', async () => {
  const server = scriptedServer({
    'dbo.usp_day': () =>
      sets(
        ['1', '2'],
        [
          ['7', 'Ünal'],
          ['x', 'no id'],
        ],
      ),
  })
  const root = project(list('quarantine: { maxShare: 0.9 }'))
  expect((await run(root, server)).summary.status).toBe('succeeded')
  expect(server.calls.length).toBe(1)
  expect(await versions(root)).toEqual([1, 1])
  expect(await rowsOf(root, 'SELECT id FROM raw.orders ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }])
  expect(await rowsOf(root, 'SELECT * FROM raw.customers')).toEqual([{ id: 7, name: 'Ünal' }])
  expect(await rowsOf(root, 'SELECT reasons FROM sluice.quarantine')).toEqual([{ reasons: ['cast:id'] }])
  const logs = await Promise.all(['raw.orders', 'raw.customers'].map((table) => lakeOf(root).extraction(table)))
  expect(logs.map((log) => log?.attempts.map(({ calls, rows, messages }) => [calls, rows, messages.length]))).toEqual([
    [[1, 2, 1]],
    [[0, 2, 1]],
  ])
  const inputs = await Promise.all(
    ['raw.orders', 'raw.customers'].map(async (table) => (await lakeOf(root).current(table))?.inputs[0]),
  )
  expect(new Set(inputs.map((input) => input?.kind === 'call' && input.startedAt)).size).toBe(1)
  expect(kept(root)).toEqual([])
})

test('windows go on together, also where a set had no row', async () => {
  const server = scriptedServer({ 'dbo.usp_day': () => sets(['1'], []) })
  const root = project(list(window))
  await run(root, server, at(1))
  server.procedures = { 'dbo.usp_day': () => sets([], []) }
  await run(root, server, at(2))
  server.procedures = { 'dbo.usp_day': () => sets(['2'], [['8', 'Eva']]) }
  await run(root, server, at(3))
  expect(server.calls.map(({ parameters }) => parameters.map(({ value }) => value?.slice(0, 10)))).toEqual([
    ['2025-01-01', '2025-02-01'],
    ['2025-02-01', '2025-02-02'],
    ['2025-02-02', '2025-02-03'],
  ])
  expect(await rowsOf(root, 'SELECT id FROM raw.orders ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }])
})

test('a table that refuses its set stops no other; the call is not made again for it', async () => {
  const server = scriptedServer({ 'dbo.usp_day': () => sets(['1'], [['7', 'x']]) })
  const root = project(list('', 'integer'))
  const { errors } = await run(root, server)
  expect(errors).toMatchObject([{ name: 'Source.ContractChanged' }])
  expect(server.calls.length).toBe(1)
  expect(await versions(root)).toEqual([1, undefined])
  expect(kept(root).length).toBe(3)
  // The next run is another call, and what the last one kept goes.
  await run(root, server)
  expect(server.calls.length).toBe(2)
  expect(kept(root).length).toBe(3)
})

test('SR-01: a call that breaks off is kept by nobody; the next task makes it, and the table that has rows is not called for again', async () => {
  const failing = (server: ScriptedServer, times: number) => () =>
    server.calls.length <= times
      ? [
          ...sets(['9'], []).slice(0, 2),
          {
            fails: sluiceError('Connection.CallFailed', {
              procedure: 'p',
              code: '1',
              severity: 16,
              why: 'x',
              rows: 1,
              more: 0,
            }),
          },
        ]
      : sets(['1'], [['7', 'x']])
  const server = scriptedServer()
  server.procedures = { 'dbo.usp_day': failing(server, 1) }
  const root = project(list())
  const { summary, errors } = await run(root, server)
  expect([summary.status, errors.length]).toEqual(['failed', 1])
  expect(server.calls.length).toBe(2)
  expect((await versions(root)).filter((version) => version === 1).length).toBe(1)
})

test.each([
  ['after what came is kept', 'sources.procedures.after_keep'],
  ['after the first table has committed', 'run.ingest.before_settle'],
])('CP-1: killed %s, the next run leaves both tables with the rows of one call', async (_when, point) => {
  let made = 0
  await using server = await startTdsServer({
    procedures: {
      'dbo.usp_day': () => {
        const call = String(++made)
        return [...script.resultSet([['id', types.int]], [[call]]), ...script.resultSet([['id', types.int]], [[call]])]
      },
    },
  })
  const one = (table: string, set: number) =>
    `{ procedure: 'dbo.usp_day', table: '${table}', resultSet: ${set}, columns: { id: 'integer' } }`
  const root = project(`[${one('orders', 1)}, ${one('customers', 2)}]`, {
    'sluice.config.ts': `import { defineConfig, secret, sqlServer } from 'sluice'
export default defineConfig({ name: 'erp', connections: { erp: sqlServer({ host: '127.0.0.1,${server.port}', database: 'erp', user: 'reader', password: secret('ERP_PASSWORD'), tls: 'off' }) } })\n`,
    '.env': 'ERP_PASSWORD=secret\n',
  })
  expect((await command(root, ['run'], { env: { SLUICE_CRASH: `${point}#1` } })).signal).toBe('SIGKILL')
  const { code, stdout, stderr } = await command(root, ['run'])
  expect(code, stdout + stderr).toBe(0)
  const found = await rowsOf(root, 'SELECT id FROM raw.orders UNION ALL SELECT id FROM raw.customers')
  expect(found).toEqual([{ id: 2 }, { id: 2 }])
  expect(made).toBe(2)
  expect(kept(root)).toEqual([])
})
