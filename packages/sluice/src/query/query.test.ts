import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Fake, fakeProject } from '../../test/cli/fake-project.ts'
import { readContext } from '../run/api.ts'
import { openReads, owner, type Reads } from './reads.ts'
import { openLocked } from './run-query.ts'

let project: Fake
let reads: Reads
beforeAll(async () => {
  project = await fakeProject()
  reads = openReads(project, owner())
})

describe('what may be asked', () => {
  test.each([
    'SELECT id FROM raw.sales',
    'FROM raw.sales LIMIT 1; -- the end',
    'WITH x AS (SELECT 1 AS a) SELECT * FROM x',
    'VALUES (1), (2)',
    'TABLE raw.sales',
    'DESCRIBE raw.sales',
    'SUMMARIZE raw.sales',
    'SHOW TABLES',
    'SELECT * FROM range(3)',
    'SELECT unnest([1, 2])',
    'SELECT table_name FROM information_schema.tables',
    'SELECT * FROM sluice.quarantine',
  ])('%s', async (sql) => {
    expect((await reads.query(sql)).columns.length).toBeGreaterThan(0)
  })
})

describe('CO-10: what would write, or read anything but tables, is refused before it runs', () => {
  test.each([
    "COPY (SELECT 1) TO '/tmp/x.csv'",
    "ATTACH '/tmp/x.duckdb'",
    'INSTALL httpfs',
    'LOAD httpfs',
    'PRAGMA database_list',
    'SET threads = 1',
    'CALL pragma_version()',
    'CREATE TABLE t AS SELECT 1',
    'INSERT INTO raw.sales VALUES (1)',
    'DROP VIEW raw.sales',
    'EXPLAIN SELECT 1',
    'SELECT 1; SELECT 2',
    'SELECT 1; DROP VIEW raw.sales',
    '',
    '-- nothing',
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM READ_CSV('/etc/passwd')",
    "SELECT * FROM read_parquet('lake/sales.parquet')",
    "SELECT * FROM glob('/*')",
    "FROM '/etc/passwd'",
    "FROM 'lake/sales.parquet'",
    'FROM "https://example.org/x.csv"',
    "DESCRIBE '/etc/passwd'",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "WITH x AS (SELECT * FROM read_blob('/etc/passwd')) FROM x",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('raw.sales')",
    'SELECT * FROM duckdb_views()',
    'SELECT * FROM duckdb_settings()',
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT 1 WHERE EXISTS (SELECT 1 UNION ALL SELECT 1 FROM sniff_csv('/etc/passwd'))",
    "SELECT * FROM raw.sales, LATERAL (SELECT * FROM read_json('/etc/hosts')) x",
  ])('%s', async (sql) => {
    await expect(reads.query(sql)).rejects.toMatchObject({ name: 'Query.NotReadOnly', exit: 2 })
  })

  test('a session is locked beside that: no other file, no setting, no extension', async () => {
    await using session = await openLocked(project[readContext])
    expect(await session.all('SELECT count(*)::INTEGER AS n FROM raw.sales')).toEqual([{ n: 3 }])
    for (const sql of [
      "SELECT * FROM read_text('/etc/passwd')",
      `SELECT * FROM read_text('${join(project.root, 'sluice.config.ts')}')`,
      `SELECT * FROM read_text('${join(project.root, 'lake', '..', 'sluice.config.ts')}')`,
      "COPY (SELECT 1) TO '/tmp/sluice-test.csv'",
      'SET enable_external_access = true',
      "SET allowed_directories = ['/']",
      'INSTALL httpfs',
    ]) {
      await expect(session.run(sql), sql).rejects.toMatchObject({ name: 'Engine.Failed' })
    }
  })
})

describe('answers', () => {
  test('values are exact, as text where JavaScript has no exact number', async () => {
    const { rows, columns } = await reads.query('SELECT id, price, sold FROM raw.sales ORDER BY id DESC')
    expect(rows[0]).toEqual({ id: '9007199254740993', price: '0.000', sold: null })
    expect(rows[2]).toEqual({ id: '1', price: '1.100', sold: '2010-12-01 08:26:00' })
    expect(columns.map((column) => column.type)).toEqual(['BIGINT', 'DECIMAL(12,3)', 'TIMESTAMP'])
  })
  test('a limit ends reading, and says that there was more', async () => {
    const result = await reads.query('FROM range(100000)', { limit: 5000 })
    expect(result.rows.length).toBe(5000)
    expect(result.truncated).toBe(true)
    expect((await reads.query('FROM range(5)', { limit: 5 })).truncated).toBe(false)
  })
  test('a repeated column name loses no value', async () => {
    const { columns, rows } = await reads.query('SELECT 1 AS a, 2 AS a, 3 AS a')
    expect(columns.map((column) => rows[0]?.[column.name])).toEqual([1, 2, 3])
  })
  test('an error keeps what DuckDB said, with the place', async () => {
    await expect(reads.query('SELECT\n  nope FROM raw.sales')).rejects.toMatchObject({
      name: 'Query.Failed',
      message: expect.stringMatching(/nope.*not found/),
    })
    await expect(reads.query('SELECT 1,\n FROM FROM')).rejects.toMatchObject({
      name: 'Query.Failed',
      message: expect.stringContaining('line 2'),
    })
  })
  test('a preview shows a table, an earlier version of it, or why it cannot', async () => {
    expect((await reads.preview('stage.sales', { limit: 2 })).truncated).toBe(true)
    expect((await reads.preview('stage.sales', { version: 1 })).rows).toEqual([{ id: '1' }, { id: '3' }])
    await expect(reads.preview('stage.sales', { version: 7 })).rejects.toMatchObject({
      name: 'Query.UnknownVersion',
    })
    await expect(reads.preview('analytics.dim_product')).rejects.toMatchObject({ name: 'Query.NothingYet' })
    await expect(reads.preview('dim_product')).rejects.toMatchObject({ name: 'Query.NothingYet' })
    await expect(reads.preview('stage.slaes')).rejects.toMatchObject({ suggestion: 'stage.sales' })
  })
  test('a table is known by its full name, or by the part that only one has', async () => {
    expect(await reads.table('warehouse.dim_product')).toMatchObject({
      kind: 'warehouse',
      name: 'dim_product',
    })
    expect(await reads.table('raw.sales')).toMatchObject({ kind: 'lake', relation: '"raw"."sales"' })
    await expect(reads.table('sales')).rejects.toMatchObject({
      name: 'Definition.UnknownTable',
      suggestion: 'raw.sales',
    })
  })
})

test('the catalog lists what was made, and what is only defined', async () => {
  const entries = await reads.catalog()
  expect(entries.map(({ table, kind, version, rows, from }) => [table, kind, version, rows, from])).toEqual([
    ['raw.sales', 'lake', 1, 3, ['inbox/a.csv']],
    ['stage.sales', 'lake', 2, 3, ['raw.sales v1']],
    ['analytics.dim_product', 'lake', undefined, undefined, []],
    ['dim_product', 'warehouse', undefined, undefined, ['analytics.dim_product (replace)']],
  ])
})

test('lineage goes from files to the warehouse, by table and by column', async () => {
  const table = await reads.lineage('stage.sales')
  expect(table.up).toEqual([
    { from: 'raw.sales', to: 'stage.sales' },
    { from: 'inbox/*.csv', to: 'raw.sales' },
  ])
  expect(table.down).toEqual([
    { from: 'stage.sales', to: 'analytics.dim_product' },
    { from: 'analytics.dim_product', to: 'warehouse.dim_product' },
  ])
  const column = await reads.lineage('stage.sales.revenue')
  expect(column).toMatchObject({
    level: 'column',
    up: [{ from: 'raw.sales.qty' }, { from: 'raw.sales.price' }],
    down: [],
  })
  expect((await reads.lineage('dim_product')).node).toBe('warehouse.dim_product')
  await expect(reads.lineage('stage.sale')).rejects.toMatchObject({ suggestion: 'stage.sales' })
  await expect(reads.lineage('stage.sales.revenu')).rejects.toMatchObject({
    suggestion: 'stage.sales.revenue',
    params: { known: ['stage.sales.id', 'stage.sales.revenue'] },
  })
})

test('quality gives the newest results, the worst first', async () => {
  expect((await reads.quality()).map((check) => [check.table, check.name, check.status])).toEqual([
    ['raw.sales', 'range:qty', 'warned'],
    ['raw.sales', 'notNull:id', 'passed'],
    ['stage.sales', 'notNull:id', 'passed'],
  ])
})

test('quarantine gives counts by first reason, and rows with file, line and every reason', async () => {
  const [found] = await reads.quarantine('raw.sales', { samples: 5 })
  expect(found).toEqual({
    table: 'raw.sales',
    rows: 2,
    versions: [{ version: 1, rows: 2 }],
    reasons: { 'cast:id': 1, 'range:qty': 1 },
    samples: [
      { file: 'inbox/a.csv', line: 3, reasons: ['cast:id', 'range:qty'], text: 'x,\u001b[31m=1' },
      { file: 'inbox/a.csv', line: 5, reasons: ['range:qty'], text: '9,0' },
    ],
  })
  expect(await reads.quarantine('stage.sales', { samples: 5 })).toEqual([])
})

test('refused rows are exported as they were delivered', async () => {
  let bytes = ''
  for await (const piece of reads.refused('raw.sales')) bytes += Buffer.from(piece.bytes).toString('latin1')
  expect(bytes).toBe('id,qty\r\nx,\u001b[31m=1\r\n9,0')
})

test('an error shows the query as it was typed, with the mark below its place', async () => {
  const failed = await reads.query('SELECT nope FROM raw.sales').catch((error: Error) => error)
  const [line, mark] = (failed as Error).message.split('\n').filter((text) => /LINE 1|\^/.test(text)) as [
    string,
    string,
  ]
  expect(line.trim()).toBe('LINE 1: SELECT nope FROM raw.sales')
  expect(mark.indexOf('^')).toBe(line.indexOf('nope'))
})
