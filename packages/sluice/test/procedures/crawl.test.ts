import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { sluiceError } from '../../src/base/errors.ts'
import type { CrawlConnectionOptions } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { command, makeProject } from '../acceptance/project.ts'
import { arriving, type ScriptedServer, scriptedServer } from '../doubles/scripted-server.ts'
import { catalog } from '../doubles/tds/catalog.ts'
import { type ColumnList, resultSet } from '../doubles/tds/script.ts'
import { startTdsServer } from '../doubles/tds/server.ts'
import { types } from '../doubles/tds/types.ts'
import type { PostgresServer } from '../servers/postgres.ts'
import { erpProject, startErp } from './erp.ts'
import { lakeOf, project } from './project.ts'

describe('a scripted server', () => {
  const list = `[{ procedure: 'dbo.usp_sales', columns: { id: 'integer', amount: 'decimal(10,2)' } }]`
  const sales = {
    procedure: 'dbo.usp_sales',
    parameters: [{ name: 'year', serverType: 'int', type: 'integer', output: false }],
    note: 'it uses a temporary table',
  } as const

  async function crawl(server: ScriptedServer, options?: CrawlConnectionOptions) {
    await using opened = await openProject(project(list), { connectorOf: server.connectorOf })
    return opened.crawlConnection('erp', options)
  }

  test('SR-11: a crawl asks the catalog, and calls nothing', async () => {
    const server = scriptedServer()
    server.described = [sales]
    const { definition, procedures } = await crawl(server)
    expect(server.calls).toEqual([])
    expect(definition).toContain('// dbo.usp_sales: it uses a temporary table')
    expect(procedures).toMatchObject([{ procedure: 'dbo.usp_sales', sets: [], note: 'it uses a temporary table' }])
    expect(server.open).toBe(0)
  })

  test('SR-04: a call on request shows every set, its rows are refused, and each set is held against its source', async () => {
    const server = scriptedServer({
      'dbo.usp_sales': () => [
        { columns: [arriving('id', 'bigint'), arriving('amount', 'decimal(10,2)')], rows: [['1', '2.00']] },
        { columns: [arriving('total', 'integer', 'int')], rows: [['1']] },
      ],
    })
    server.described = [sales]
    const { procedures, definition } = await crawl(server, {
      procedure: 'dbo.usp_sales',
      call: true,
      parameters: { year: '2025' },
    })
    expect(server.calls).toMatchObject([
      { procedure: 'dbo.usp_sales', parameters: [{ name: 'year', type: 'integer', value: '2025' }] },
    ])
    expect(procedures[0]?.sets).toMatchObject([
      {
        against: 'raw.sales',
        diff: [{ class: 'widening', column: 'id', change: 'retyped', from: 'integer', to: 'bigint' }],
      },
      { set: 2, table: 'sales_2', diff: [] },
    ])
    expect(definition).toContain("year: parameter('2025', 'integer'), // int")
    expect(definition).toContain('resultSet: 2')
  })

  test('a call that fails is reported; one that takes too long shows what came before', async () => {
    const late = sluiceError('Connection.Timeout', { procedure: 'dbo.usp_sales', seconds: 60, rows: 9 })
    const server = scriptedServer({
      'dbo.usp_sales': () => [{ columns: [arriving('id', 'bigint')], rows: [] }, { fails: late }],
    })
    server.described = [sales]
    const asked = { procedure: 'dbo.usp_sales', call: true }
    const { procedures } = await crawl(server, asked)
    expect(procedures[0]?.note).toContain('there may be more')
    server.procedures['dbo.usp_sales'] = () => [{ fails: late }]
    await expect(crawl(server, asked)).rejects.toThrow('did not end within 60 seconds')
  })

  test('a name or a parameter that is not there is told with the one that was meant', async () => {
    const server = scriptedServer()
    server.described = [sales]
    await expect(crawl(server, { procedure: 'dbo.usp_sale' })).rejects.toMatchObject({
      name: 'Connection.NoProcedure',
      suggestion: 'dbo.usp_sales',
    })
    const wrong = { procedure: 'dbo.usp_sales', call: true, parameters: { yaer: '2025' } }
    await expect(crawl(server, wrong)).rejects.toMatchObject({ name: 'Cli.BadValue', suggestion: 'year' })
    expect(server.calls).toEqual([])
  })
})

describe('SQL Server, by its double', () => {
  const columns: ColumnList = [
    ['id', types.int],
    ['at', types.datetime2(7)],
    ['amount', types.decimal(18, 4)],
  ]

  test('the catalog describes what it can; temporary tables are seen by a call', async () => {
    await using server = await startTdsServer({
      procedures: {
        ...catalog({
          'dbo.usp_sales': {
            parameters: [{ name: 'since', type: 'datetime2', precision: 27, scale: 7 }],
            result: [
              ['id', 'int', false],
              ['at', 'datetime2(7)', true],
              ['amount', 'decimal(18,4)', true],
            ],
          },
          'dbo.usp_temp': { parameters: [], result: 11526 },
        }),
        'dbo.usp_temp': () => [...resultSet(columns, [['1', '2024-01-01 00:00:00.1234567', '2.5000']])],
      },
    })
    const root = makeProject({
      'package.json': '{ "private": true, "type": "module" }',
      '.env': 'ERP_PASSWORD=secret\n',
      'sluice.config.ts': `import { defineConfig, secret, sqlServer } from 'sluice'
export default defineConfig({ name: 'erp', connections: { erp: sqlServer({ host: '127.0.0.1', port: ${server.port}, database: 'erp', user: 'reader', password: secret('ERP_PASSWORD'), tls: 'off' }) } })\n`,
      'pipelines/erp/pipeline.ts': `import { pipeline } from 'sluice'\nexport default pipeline('erp', { sources: {} })\n`,
    })
    try {
      await using opened = await openProject(root)
      const { definition, procedures } = await opened.crawlConnection('erp')
      expect(server.calls(), 'nothing but the catalog was called').toEqual([])
      expect(procedures.map(({ procedure, sets }) => [procedure, sets.length])).toEqual([
        ['dbo.usp_sales', 1],
        ['dbo.usp_temp', 0],
      ])
      expect(definition).toContain("since: parameter(null, 'timestamp'), // datetime2(7)")
      expect(definition).toContain("id: { type: 'integer', serverType: 'int' },")
      expect(definition).toMatch(
        /at: \{ type: 'timestamp', nullable: true, fraction: 'truncate', serverType: 'datetime2\(7\)' \}, \/\/ has 100 ns digits/,
      )
      const called = await opened.crawlConnection('erp', { procedure: 'dbo.usp_temp', call: true })
      expect(called.procedures[0]?.sets[0]?.columns.map(({ serverType }) => serverType)).toEqual([
        ...['int', 'datetime2(7)', 'decimal(18,4)'],
      ])
    } finally {
      rmSync(root, { recursive: true })
    }
  })
})

describe('a real PostgreSQL', () => {
  let server: PostgresServer
  const roots: string[] = []
  beforeAll(async () => {
    server = await startErp()
  })
  afterAll(() => server?.stop())
  afterEach(() => {
    for (const root of roots.splice(0)) rmSync(root, { recursive: true })
  })

  function withPipeline(sources: string): string {
    const root = erpProject(server)
    roots.push(root)
    rmSync(join(root, 'pipelines/erp/stage'), { recursive: true })
    writeFileSync(
      join(root, 'pipelines/erp/pipeline.ts'),
      `import { parameter, pipeline, procedures } from 'sluice'\nexport default pipeline('erp', { sources: { ${sources} } })\n`,
    )
    return root
  }

  test('what is proposed is pasted, checks, and runs', async () => {
    const root = withPipeline('')
    const { code, stdout, stderr } = await command(root, ['crawl', 'erp'])
    expect(code, stderr).toBe(0)
    expect(stderr).toContain('PostgreSQL 18')
    expect(stdout).toContain('// erp.usp_cursor: it returns cursors')
    const cursor = await command(root, ['crawl', 'erp', 'erp.usp_cursor', '--call'])
    expect(cursor.code, cursor.stderr).toBe(0)
    expect(await lakeOf(root).tables(), 'a crawl makes no version').toEqual([])
    const region = await command(root, ['crawl', 'erp', 'erp.usp_region', '--call', '--parameter', 'p_region=EU'])
    expect(region.stdout).toContain("p_region: parameter('EU', 'text'), // text")

    const pasted = withPipeline(stdout + cursor.stdout)
    const checked = await command(pasted, ['check', '--strict'])
    expect(
      checked.code,
      checked.stdout + checked.stderr + readFileSync(join(pasted, 'pipelines/erp/pipeline.ts')),
    ).toBe(0)
    const ran = await command(pasted, ['run'])
    expect(ran.code, ran.stdout + ran.stderr).toBe(0)
    const against = await command(pasted, ['crawl', 'erp', 'erp.usp_customers', '--json'])
    expect(JSON.parse(against.stdout).procedures[0].sets).toMatchObject([{ against: 'raw.customers', diff: [] }])
  })

  test('a word that is no connection is told as one; a file of a connection’s name is another thing', async () => {
    const root = withPipeline('')
    const { code, stderr } = await command(root, ['crawl', 'epr'])
    expect([code, stderr]).toEqual([2, expect.stringContaining('Did you mean "erp"?')])
    writeFileSync(join(root, 'erp'), 'a,b\n1,2\n')
    expect((await command(root, ['crawl', 'erp', 'erp.usp_regions'])).stderr).toContain('./erp is the file')
    expect((await command(root, ['crawl', './erp'])).stdout).toContain("files('./erp'")
    expect((await command(root, ['crawl', 'erp', '--call'])).stderr).toContain('needs <procedure>')
  })
})
