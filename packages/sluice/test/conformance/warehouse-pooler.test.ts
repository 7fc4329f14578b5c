/**
 * PostgreSQL behind a pooler in transaction mode: each transaction in another session, left by another client with settings of its own. The load modes
 * run through it in `warehouse-modes.test.ts`; here is what only a pooler can do to a load.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { connectPostgres, isPooled } from '../../src/connections/postgres/connect.ts'
import { beginSettled } from '../../src/connections/postgres/settled.ts'
import type { Load } from '../../src/definition/types.ts'
import { openPostgresWarehouse } from '../../src/warehouses/postgres/warehouse.ts'
import { columns, engine, freshSchema, hostilePooler, inputOf, postgresServer } from './warehouses.ts'

const replace: Load = { mode: 'replace', from: 'a.t' }
const shape = columns({ k: 'INTEGER!', v: 'VARCHAR' })

async function fresh() {
  const { settings, schema } = await freshSchema()
  const pooler = await hostilePooler()
  const folder = mkdtempSync(join(tmpdir(), 'sluice-pooler-'))
  const pooled = { ...settings, port: pooler.port }
  const open = () => openPostgresWarehouse({ settings: pooled, schema, engine, clock: systemClock, folder })
  const admin = await (await postgresServer()).superuserClient()
  return { schema, pooled, settings, pooler, open, admin }
}

test('WH-01: two projects at once load into their own schemas, and nothing of anybody else is touched', async () => {
  const [a, b] = [await fresh(), await fresh()]
  await a.admin.query("CREATE TABLE IF NOT EXISTS public.target AS SELECT 1 AS k, 'theirs' AS v")
  await using first = await a.open()
  await using second = await b.open()
  await Promise.all([
    ...[1, 2].map((version) => first.load(inputOf(version, replace, shape, [[version, 'a']]))),
    ...[1, 2].map((version) => second.load(inputOf(version, replace, shape, [[version, 'b']]))),
  ])
  const rows = async (table: string) => (await a.admin.query(`SELECT * FROM ${table}`)).rows
  expect(await rows(`${a.schema}.target`)).toEqual([{ k: 2, v: 'a' }])
  expect(await rows(`${b.schema}.target`)).toEqual([{ k: 2, v: 'b' }])
  expect(await rows('public.target')).toEqual([{ k: 1, v: 'theirs' }])
  expect(await rows('hostile.target')).toHaveLength(1)
  const owners = `SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN ('${a.schema}', 'sluice_${b.schema}')`
  expect((await a.admin.query(owners)).rows).toEqual([{ tableowner: 'postgres' }])
  expect(a.pooler.mostSessions).toBeGreaterThan(1)
  await Promise.all([a.admin.end(), b.admin.end()])
})

test('WH-12: dates, times, doubles and bytes arrive as they were, and working tables are gone with their transaction', async () => {
  const { open, schema, admin } = await fresh()
  await using warehouse = await open()
  const wide = columns({
    k: 'INTEGER!',
    at: 'TIMESTAMP WITH TIME ZONE',
    on: 'DATE',
    d: 'DOUBLE',
    b: 'BLOB',
    s: 'VARCHAR',
  })
  const row = [1, '2026-02-03 04:05:06+00', '2026-02-03', '0.1', '\\xFF', 'a\\b']
  await warehouse.load(inputOf(1, { mode: 'upsert', from: 'a.t', key: ['k'] }, wide, [row]))
  const again = await warehouse.load(inputOf(2, { mode: 'upsert', from: 'a.t', key: ['k'] }, wide, [row]))
  expect(again).toMatchObject({ unchanged: 1, updated: 0 })
  const text = `SELECT at AT TIME ZONE 'UTC' = '2026-02-03 04:05:06' AS at, "on" = '2026-02-03' AS "on", d = 0.1 AS d, b = '\\xFF' AS b, s FROM ${schema}.target`
  expect((await admin.query(text)).rows).toEqual([{ at: true, on: true, d: true, b: true, s: 'a\\b' }])
  // Read through the pooler, too.
  expect(await warehouse.query('SELECT at, "on", d, b FROM target')).toEqual([
    { at: '2026-02-03 04:05:06+00', on: '2026-02-03', d: 0.1, b: '\\xff' },
  ])
  const left =
    "SELECT relname FROM pg_class WHERE relpersistence = 't' AND relname LIKE 'sluice%' AND relname <> 'sluice_live'"
  expect((await admin.query(left)).rows).toEqual([])
  await admin.end()
})

test('a trigger of the target fires, and a policy that hides rows from the loader is an error', async () => {
  const { open, schema, admin, settings, pooler } = await fresh()
  await using warehouse = await open()
  await warehouse.load(inputOf(1, replace, shape, [[1, 'a']]))
  await admin.query(
    `CREATE TABLE ${schema}.fired (n integer);
     CREATE FUNCTION ${schema}.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO fired VALUES (1); RETURN NULL; END $$;
     CREATE TRIGGER note AFTER INSERT ON ${schema}.target EXECUTE FUNCTION ${schema}.note()`,
  )
  await warehouse.load(inputOf(2, replace, shape, [[2, 'b']]))
  expect((await admin.query(`SELECT n FROM ${schema}.fired`)).rows).toHaveLength(1)
  await admin.query(
    `CREATE ROLE limited_${schema} LOGIN PASSWORD 'p'; GRANT USAGE, CREATE ON SCHEMA ${schema}, sluice_${schema} TO limited_${schema};
     GRANT ALL ON ALL TABLES IN SCHEMA ${schema}, sluice_${schema} TO limited_${schema};
     ALTER TABLE ${schema}.target ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON ${schema}.target USING (k > 5)`,
  )
  await using limited = await openPostgresWarehouse({
    ...{ settings: { ...settings, user: `limited_${schema}`, password: 'p' }, schema, engine, clock: systemClock },
    folder: mkdtempSync(join(tmpdir(), 'sluice-pooler-')),
  })
  await expect(limited.load(inputOf(3, replace, shape, [[3, 'c']]))).rejects.toMatchObject({
    name: 'Warehouse.Forbidden',
  })
  expect((await admin.query(`SELECT k FROM ${schema}.target`)).rows).toEqual([{ k: 2 }])
  expect(pooler.lent).toBeGreaterThan(0)
  await admin.end()
})

test('a load that is stopped stops its own transaction in the server, and the next one finds all as it was', async () => {
  const { open, schema, admin } = await fresh()
  await using warehouse = await open()
  await warehouse.load(inputOf(1, replace, shape, [[1, 'a']]))
  await admin.query(`BEGIN; LOCK TABLE ${schema}.target IN ACCESS EXCLUSIVE MODE`)
  const stop = new AbortController()
  const loading = warehouse.load({ ...inputOf(2, replace, shape, [[2, 'b']]), signal: stop.signal })
  const watcher = await (await postgresServer()).superuserClient()
  const waiting = `SELECT 1 FROM pg_locks WHERE NOT granted AND relation = '${schema}.target'::regclass`
  await expect.poll(async () => (await watcher.query(waiting)).rows.length, { timeout: 20_000 }).toBe(1)
  stop.abort(new Error('stopped'))
  await expect(loading).rejects.toThrow('stopped')
  expect((await watcher.query(waiting)).rows).toEqual([])
  await admin.query('ROLLBACK')
  expect(await warehouse.load(inputOf(2, replace, shape, [[2, 'b']]))).toMatchObject({ inserted: 1, deleted: 1 })
  await Promise.all([admin.end(), watcher.end()])
})

test('a session is not changed for those who have it next; a setting that stays is an error by name', async () => {
  const { pooled, settings } = await fresh()
  const signal = new AbortController().signal
  const client = await connectPostgres(pooled, { signal, applicationName: 't' })
  const direct = await connectPostgres(settings, { signal, applicationName: 't' })
  expect([isPooled(client), isPooled(direct)]).toEqual([true, false])
  const show = async () =>
    (
      await client.query(
        "SELECT current_setting('search_path') AS path, current_setting('DateStyle') AS style, current_user AS who",
      )
    ).rows
  const left = [{ path: 'hostile', style: 'SQL, DMY', who: 'hostile' }]
  expect(await show()).toEqual(left)
  await beginSettled(client, { connection: 'w' })
  expect(await show()).toEqual([{ path: '"$user", public', style: 'ISO, YMD', who: 'postgres' }])
  await client.query('COMMIT')
  expect(await show()).toEqual(left)
  await expect(beginSettled(direct, { connection: 'w', also: { DateStyle: 'ISO' } })).rejects.toMatchObject({
    name: 'Connection.Unsettled',
    params: { connection: 'w', settings: 'DateStyle = ISO, MDY' },
  })
  await Promise.all([client.end(), direct.end()])
})
