/** A small ERP in a real PostgreSQL, that lets nobody read its tables: what it tells it tells through functions and procedures. */
import { makeProject } from '../acceptance/project.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'

/** The role that may only call. */
export const reader = { user: 'reader', password: 'reader-s3cret' }

/** Customers, and changes of each: many enough that a call takes its time. */
export const size = { customers: 40_000, changes: 30_000 }

/** Starts the server, filled. */
export async function startErp(): Promise<PostgresServer> {
  const server = await startPostgres()
  await server.createDatabase('erp')
  await execute(
    server,
    `CREATE ROLE reader LOGIN PASSWORD '${reader.password}';
     REVOKE ALL ON SCHEMA public FROM PUBLIC;
     CREATE SCHEMA erp;
     CREATE TABLE erp.customers AS SELECT n AS id, CASE WHEN n % 7 = 0 THEN NULL WHEN n % 11 = 0 THEN '' ELSE E'Ünal "' || n || E'",\\r\\n' END AS name,
       (n::numeric * 12345678901 / 10000)::numeric(18,4) AS balance, CASE WHEN n % 2 = 0 THEN 'EU' ELSE 'US' END AS region FROM generate_series(1, ${size.customers}) n;
     CREATE TABLE erp.changes AS SELECT n AS id, n % 1000 AS value, timestamp '2026-01-01' + n * interval '1 second' AS changed_at FROM generate_series(1, ${size.changes}) n;
     CREATE FUNCTION erp.usp_customers() RETURNS TABLE (id integer, name text, balance numeric(18,4)) LANGUAGE sql SECURITY DEFINER
       AS 'SELECT id, name, balance FROM erp.customers';
     CREATE FUNCTION erp.usp_region(p_region text) RETURNS TABLE (id integer, balance numeric(18,4)) LANGUAGE sql SECURITY DEFINER
       AS 'SELECT id, balance FROM erp.customers WHERE region = p_region';
     CREATE FUNCTION erp.usp_regions() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT DISTINCT region FROM erp.customers';
     CREATE FUNCTION erp.usp_changes(p_from timestamp, p_to timestamp) RETURNS TABLE (id integer, value integer, changed_at timestamp) LANGUAGE sql SECURITY DEFINER
       AS 'SELECT id, value, changed_at FROM erp.changes WHERE changed_at >= p_from AND changed_at < p_to';
     CREATE PROCEDURE erp.usp_cursor(INOUT rows refcursor) LANGUAGE plpgsql SECURITY DEFINER
       AS 'BEGIN rows := ''c''; OPEN rows FOR SELECT id, region FROM erp.customers; RAISE NOTICE ''% customers'', (SELECT count(*) FROM erp.customers); END';
     GRANT USAGE ON SCHEMA erp TO reader;
     GRANT EXECUTE ON ALL ROUTINES IN SCHEMA erp TO reader`,
  )
  return server
}

/** Executes statements as the superuser. */
export async function execute(server: PostgresServer, sql: string): Promise<void> {
  const client = await server.superuserClient('erp')
  await client.query(sql).finally(() => client.end())
}

/** A project that extracts all of it. */
export function erpProject(server: PostgresServer): string {
  return makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.ts': `
import { defineConfig, postgres, secret } from 'sluice'
export default defineConfig({
  name: 'erp',
  warehouse: { kind: 'duckdb', path: 'warehouse.duckdb' },
  connections: {
    erp: postgres({ host: '${server.host}', port: ${server.port}, database: 'erp', user: '${reader.user}', password: secret('ERP_PASSWORD'), tls: 'off' }),
  },
})
`,
    '.env': `ERP_PASSWORD=${reader.password}\n`,
    'pipelines/erp/pipeline.ts': `
import { each, nullable, pipeline, procedures, windowFrom, windowTo } from 'sluice'
const window = { start: '2026-01-01' }
const parameters = { p_from: windowFrom(), p_to: windowTo() }
const changes = { id: 'integer', value: 'integer', changed_at: 'timestamp' } as const
export default pipeline('erp', {
  sources: {
    ...procedures('erp', [
      { procedure: 'erp.usp_customers', columns: { id: 'integer', name: nullable('text'), balance: 'decimal(18,4)' }, key: 'id' },
      { procedure: 'erp.usp_regions', columns: { region: { type: 'text', from: 'usp_regions' } } },
      { procedure: 'erp.usp_region', table: 'balances', columns: { id: 'integer', balance: 'decimal(18,4)' },
        parameters: { p_region: each('raw.regions', 'region', { as: 'region' }) } },
      { procedure: 'erp.usp_changes', columns: changes, parameters, window, mode: 'append' },
      { procedure: 'erp.usp_changes', table: 'merged', columns: changes, parameters, key: 'id', window: { ...window, overlapSeconds: 3600 } },
      { procedure: 'erp.usp_cursor', columns: { id: 'integer', region: 'text' } },
    ]),
  },
})
`,
    'pipelines/erp/stage/customers.sql': 'SELECT id, trim(name) AS name, balance FROM raw.customers\n',
  })
}

/** Everything that readers can see of it: digests of all rows, counted, so that a row too many or too few is seen. */
export const stateSql = ['customers', 'regions', 'balances', 'changes', 'merged', 'cursor']
  .map(
    (table) =>
      `SELECT '${table}' AS "table", count(*)::VARCHAR AS rows, sum(hash(t))::VARCHAR AS digest FROM raw.${table} AS t`,
  )
  .join(' UNION ALL ')
