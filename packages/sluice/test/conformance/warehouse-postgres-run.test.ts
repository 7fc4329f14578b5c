/** A whole run into PostgreSQL: configured, planned, loaded, run again for nothing, examined, and honest about what a query reaches. */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { openReads, owner } from '../../src/query/reads.ts'
import { readContext } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { openPostgresWarehouse } from '../../src/warehouses/postgres/warehouse.ts'
import { engine, freshSchema, postgresServer } from './warehouses.ts'

async function shop(warehouse: string): Promise<{ readonly root: string; readonly schema: string }> {
  const root = mkdtempSync(join(tmpdir(), 'sluice-postgres-run-'))
  const { settings, schema } = await freshSchema()
  const files = {
    'sluice.config.ts': `import { defineConfig, postgres, postgresWarehouse, secret } from 'sluice'
export default defineConfig({ name: 'shop', warehouse: ${warehouse.replace('SCHEMA', schema)},
  connections: { star: postgres({ host: '${settings.host}', port: ${settings.port}, database: 'postgres', user: 'postgres', password: secret('STAR_PASSWORD'), tls: 'off' }) } })`,
    'pipelines/retail/pipeline.ts': `import { files, pipeline, scd2, incremental } from 'sluice'
export default pipeline('retail', {
  sources: { sales: files('inbox/*.csv', { columns: { id: 'integer', day: 'date', amount: 'decimal(12,2)' } }) },
  loads: { fact_sales: incremental({ from: 'analytics.fact_sales', by: 'day', sort: ['day'], lookups: { sk: { dimension: 'dim_day', key: { id: 'id' }, at: 'day' } } }), dim_day: scd2({ from: 'analytics.fact_sales', key: 'id', effective: 'day' }) },
})`,
    'pipelines/retail/analytics/fact_sales.sql': 'SELECT id, day, amount FROM raw.sales',
    '.env': 'STAR_PASSWORD=postgres\n',
    'inbox/a.csv': 'id,day,amount\n1,2026-01-01,1.50\n2,2026-01-02,2.25\n',
  }
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(file)), { recursive: true })
    writeFileSync(join(root, file), text)
  }
  return { root, schema }
}

test('a project loads into PostgreSQL, twice, and the second time there is nothing to do', async () => {
  const { root, schema } = await shop("postgresWarehouse('star', { schema: 'SCHEMA' })")
  const client = await (await postgresServer()).superuserClient()
  {
    await using project = await openProject(root)
    expect((await project.run()).summary.status).toBe('succeeded')
  }
  const facts = async () =>
    (await client.query(`SELECT id, day::text, amount FROM ${schema}.fact_sales ORDER BY id`)).rows
  expect(await facts()).toEqual([
    { id: 1, day: '2026-01-01', amount: '1.50' },
    { id: 2, day: '2026-01-02', amount: '2.25' },
  ])
  expect((await client.query(`SELECT 1 FROM ${schema}.dim_day WHERE is_current_record`)).rowCount).toBe(2)
  const found = `SELECT 1 FROM ${schema}.fact_sales AS f JOIN ${schema}.dim_day AS d ON d.surrogate_key = f.sk AND d.id = f.id`
  expect((await client.query(found)).rowCount).toBe(2)
  await using project = await openProject(root)
  const plan = await project.plan()
  expect(plan.plan.tasks.filter(({ kind, action }) => kind === 'load' && action === 'run')).toEqual([])
  expect((await project[readContext].loads()).map(({ target }) => target).sort()).toEqual(['dim_day', 'fact_sales'])
  expect(await project.doctor()).toContainEqual({ name: 'Warehouse', status: 'ok', detail: '2 loads in its ledger' })
  expect((await openReads(project, owner()).query('SELECT count(*) AS n FROM analytics.fact_sales')).rows).toEqual([
    { n: '2' },
  ])
  await client.end()
})

/** The only value of an answer, or its rows. */
const answer = (project: Parameters<typeof openReads>[0]) => async (sql: string) => {
  const { rows, columns } = await openReads(project, owner()).query(sql)
  return rows.length === 1 && columns.length === 1 ? Object.values(rows[0]!)[0] : rows.map((row) => Object.values(row))
}

test('a query over the warehouse is answered from its rows, whatever its shape', async () => {
  const { root, schema } = await shop("postgresWarehouse('star', { schema: 'SCHEMA' })")
  await using project = await openProject(root)
  const ask = answer(project)
  expect(await ask('SELECT count(*) FROM sluice.loads'), 'before the first load').toBe('0')
  await expect(ask('SELECT count(*) FROM warehouse.fact_sales')).rejects.toMatchObject({ name: 'Query.Failed' })
  await project.run()
  const client = await (await postgresServer()).superuserClient()
  await client.query(
    `INSERT INTO ${schema}.fact_sales (id, day, amount) SELECT i, '2026-02-01', i FROM generate_series(10, 5009) AS s(i);
     ALTER TABLE ${schema}.fact_sales ADD COLUMN note text, ADD COLUMN raw bytea, ADD COLUMN at timestamptz, ADD COLUMN doc jsonb, ADD COLUMN "Mixed Case" text;
     UPDATE ${schema}.fact_sales SET note = E'a,"b\\n', raw = '\\x00ff', at = '0044-03-15 01:02:03+00 BC', doc = '{"a":1}', "Mixed Case" = '' WHERE id = 1`,
  )
  const all = '5002'
  for (const [sql, expected] of [
    ['SELECT count(*) FROM warehouse.fact_sales', all],
    ['SELECT count(*) FROM warehouse.main.dim_day', '2'],
    ['SELECT count(*) FROM "WAREHOUSE"."main"."Fact_Sales"', all],
    ['SELECT count(*) FROM (SELECT 1 AS x FROM warehouse.fact_sales)', all],
    [
      'SELECT count(*) FROM raw.sales AS r WHERE exists (SELECT 1 FROM warehouse.fact_sales AS w WHERE w.id = r.id + 1)',
      '1',
    ],
    ['SELECT (SELECT count(*) FROM warehouse.fact_sales) = count(*) FROM stage_none.x', undefined],
    ['SELECT (SELECT count(*) FROM warehouse.fact_sales) = count(*) AS same FROM raw.sales', false],
    ['WITH f AS (FROM warehouse.fact_sales), g AS (SELECT count(*) AS n FROM f) SELECT n FROM g', all],
    ['SELECT count(*) FROM raw.sales JOIN warehouse.fact_sales USING (id)', '2'],
    ['SELECT count(*) FROM raw.sales NATURAL JOIN warehouse.fact_sales', '2'],
    ['SELECT count(*) FROM (SELECT id FROM raw.sales EXCEPT SELECT id FROM warehouse.fact_sales)', '0'],
    ['SELECT count(*) FROM (SELECT id FROM warehouse.fact_sales INTERSECT SELECT id FROM raw.sales)', '2'],
    [
      'SELECT count(*) FROM raw.sales AS r, LATERAL (SELECT 1 FROM warehouse.fact_sales AS w WHERE w.id <> r.id)',
      '10002',
    ],
    ['SELECT count(*) FROM (FROM warehouse.fact_sales LIMIT 7)', '7'],
    ['SELECT sum(amount) FROM warehouse.fact_sales WHERE id < 3', '3.75'],
    ['SELECT count(f) FROM warehouse.fact_sales AS f', all],
    ['SELECT count(DISTINCT fact_sales) FROM warehouse.fact_sales', all],
    ["SELECT count(DISTINCT COLUMNS(c -> c = 'id')) FROM warehouse.fact_sales", all],
    ['SELECT count(a) FROM warehouse.fact_sales AS f(a)', all],
    ['SELECT count(*) FROM (SELECT #1 FROM warehouse.fact_sales)', all],
    ['SELECT id FROM warehouse.fact_sales WHERE id = 5009 LIMIT 1', 5009],
    ['SELECT id FROM warehouse.fact_sales ORDER BY id DESC LIMIT 1', 5009],
    ['SELECT count(*) FROM sluice.loads', '2'],
    ['SELECT sum(version) FROM warehouse.sluice.load_ledger', '2'],
    ['SELECT max(id) FROM (TABLE warehouse.fact_sales)', 5009],
    ['SELECT count(*) FROM warehouse.fact_sales WHERE note IS NULL', '5001'],
  ] as const)
    if (expected === undefined) await expect(ask(sql), sql).rejects.toMatchObject({ name: 'Query.Failed' })
    else expect(await ask(sql), sql).toEqual(expected)
  expect(await ask('SELECT note, hex(raw), "at", doc, "mixed case" FROM warehouse.fact_sales WHERE id = 1')).toEqual([
    ['a,"b\n', '00FF', '0044-03-15 (BC) 01:02:03+00', '{"a": 1}', ''],
  ])
  expect(await ask('SELECT 1 FROM warehouse.fact_sales LIMIT 3')).toHaveLength(3)
  expect((await openReads(project, owner()).preview('fact_sales', { limit: 3 })).rows).toHaveLength(3)
  const described = (await openReads(project, owner()).query('DESCRIBE warehouse.fact_sales')).rows
  expect(described.slice(0, 3).map((row) => [row['column_name'], row['column_type']])).toEqual([
    ['id', 'INTEGER'],
    ['day', 'DATE'],
    ['amount', 'DECIMAL(12,2)'],
  ])
  const names =
    "SELECT column_name FROM information_schema.columns WHERE table_name = 'dim_day' AND table_catalog = 'warehouse' AND ordinal_position = 2"
  expect(await ask(names)).toBe('id')
  await client.end()
})

test('a warehouse that cannot be reached is an error by name, and only for what reads it', async () => {
  const { root } = await shop("postgresWarehouse('star', { schema: 'SCHEMA' })")
  {
    await using project = await openProject(root)
    await project.run()
  }
  const config = join(root, 'sluice.config.ts')
  writeFileSync(config, readFileSync(config, 'utf8').replace(/port: \d+/, 'port: 1'))
  await using project = await openProject(root)
  const ask = answer(project)
  expect(await ask('SELECT count(*) FROM raw.sales')).toBe('2')
  expect(await ask('SELECT count(*) FROM sluice.versions')).toBe('2')
  expect(await ask('SELECT count(*) FROM (SHOW TABLES)')).toBe('0')
  for (const sql of [
    'SELECT count(*) FROM warehouse.dim_day',
    'SELECT 1 FROM sluice.loads',
    'DESCRIBE warehouse.dim_day',
  ])
    await expect(ask(sql), sql).rejects.toMatchObject({ name: 'Connection.Unreachable' })
})

test('what is not brought from the server cannot be read, and too much is refused by name', async () => {
  const { root, schema } = await shop("postgresWarehouse('star', { schema: 'SCHEMA' })")
  await using project = await openProject(root)
  await project.run()
  const context = project[readContext]
  await using session = await context.openRead()
  for (const sql of [
    'SELECT count(*) FROM warehouse.dim_day',
    'SELECT 1 WHERE EXISTS (SELECT 1 FROM warehouse.dim_day)',
    'SELECT 1 FROM sluice.loads',
  ])
    await expect(session.all(sql), sql).rejects.toThrow('was not brought from the server')
  const relations = [{ catalog: '', schema: 'warehouse', name: 'dim_day' }]
  await context.readWarehouse(session, { relations, lists: false, mayRead: (column) => column === 'id' })
  expect(await session.all('SELECT sum(id)::INTEGER AS n FROM warehouse.dim_day')).toEqual([{ n: 3 }])
  await expect(session.all('SELECT amount FROM warehouse.dim_day')).rejects.toThrow('was not brought from the server')
  const { settings } = await freshSchema()
  await using warehouse = await openPostgresWarehouse({
    settings,
    schema,
    engine,
    clock: systemClock,
    folder: tmpdir(),
  })
  const folder = mkdtempSync(join(tmpdir(), 'sluice-copy-out-'))
  const wanted = [{ table: 'dim_day', mayRead: () => true }]
  await expect(warehouse.copyOut!(wanted, { folder, limitBytes: 40 })).rejects.toMatchObject({
    name: 'Query.WarehouseTooLarge',
    params: { table: 'dim_day', megabytes: 0 },
  })
  const admin = await (await postgresServer()).superuserClient()
  await admin
    .query(`CREATE ROLE nobody_${schema} LOGIN PASSWORD 'p'; GRANT USAGE ON SCHEMA ${schema} TO nobody_${schema}`)
    .finally(() => admin.end())
  const user = { ...settings, user: `nobody_${schema}`, password: 'p' }
  await using forbidden = await openPostgresWarehouse({ settings: user, schema, engine, clock: systemClock, folder })
  await expect(forbidden.copyOut!(wanted, { folder, limitBytes: 1e9 })).rejects.toMatchObject({
    name: 'Warehouse.Forbidden',
    message: expect.stringContaining('the reading of "dim_day"'),
  })
})

test('a check reaches no server; a plan has to', async () => {
  const { root } = await shop("postgresWarehouse('star', { schema: 'SCHEMA' })")
  const config = join(root, 'sluice.config.ts')
  writeFileSync(config, readFileSync(config, 'utf8').replace(/port: \d+/, 'port: 1'))
  await using project = await openProject(root)
  expect(await project.check()).toEqual([])
  await expect(project.plan()).rejects.toMatchObject({ name: 'Connection.Unreachable' })
})

test('a warehouse names a connection that is declared, to a server of its kind', async () => {
  const { root } = await shop("postgresWarehouse('sta')")
  await expect(openProject(root)).rejects.toMatchObject({
    problems: [{ name: 'Definition.UnknownConnection', suggestion: 'star' }],
  })
})

test('SR-10: a login of the warehouse that was refused is not tried again at once, and its password is in no message', async () => {
  const { root } = await shop("postgresWarehouse('star', { schema: 'SCHEMA' })")
  writeFileSync(join(root, '.env'), 'STAR_PASSWORD=not-this-one\n')
  const errors: unknown[] = []
  for (let attempt = 0; attempt < 2; attempt++) {
    await using project = await openProject(root)
    errors.push(await project[readContext].loads().catch((error: unknown) => error))
  }
  expect(errors).toMatchObject([{ name: 'Connection.LoginFailed' }, { name: 'Connection.LoginHeld' }])
  expect(errors.map(String).join()).not.toContain('not-this-one')
})
