/** A whole run into PostgreSQL: configured, planned, loaded, run again for nothing, examined, and honest about what a query reaches. */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { openReads, owner } from '../../src/query/reads.ts'
import { readContext } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { freshSchema, postgresServer } from './warehouses.ts'

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
  for (const table of ['warehouse.main.fact_sales', 'sluice.loads'])
    await expect(openReads(project, owner()).query(`SELECT * FROM ${table}`)).rejects.toThrow(
      'The warehouse is a PostgreSQL server',
    )
  await client.end()
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
