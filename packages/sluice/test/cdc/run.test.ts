import { rmSync } from 'node:fs'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { printLsn } from '../../src/sources/cdc/lsn.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { cdcProject, cursorOf, fold, lakeOf, logOf, repeated, runProject } from './project.ts'

let server: PostgresServer
let client: pg.Client
const roots: string[] = []
let number = 0

beforeAll(async () => {
  server = await startPostgres({
    walLevel: 'logical',
    settings: {
      synchronous_commit: 'on',
      wal_sender_timeout: '10s',
      max_replication_slots: '50',
      max_wal_senders: '50',
    },
  })
})
afterAll(() => server.stop())
afterEach(async () => {
  await client?.end()
  for (const root of roots.splice(0)) rmSync(root, { recursive: true })
})

const sql = async (...statements: readonly string[]): Promise<void> => {
  for (const statement of statements) await client.query(statement)
}

/** A database of its own, with tables that are published, and a project that captures them. */
async function shop(tables: readonly string[], setup: readonly string[], options = ''): Promise<string> {
  const database = `shop_${number++}`
  await server.createDatabase(database)
  client = await server.superuserClient(database)
  await sql(...setup)
  await sql(
    `CREATE PUBLICATION sluice_${database} FOR TABLE ${tables.join(', ')} WITH (publish_via_partition_root = true)`,
  )
  const own = `slot: 'sluice_${database}', publication: 'sluice_${database}', ${options}`
  const root = cdcProject(server, database, tables, own)
  roots.push(root)
  return root
}

const confirmed = async (): Promise<string> => {
  const { rows } = await client.query(
    'SELECT confirmed_flush_lsn AS at FROM pg_replication_slots WHERE database = current_database()',
  )
  return rows[0].at
}

/** The table by the log is the table by the server. */
async function expectEqual(root: string, table: string, key = 'id'): Promise<void> {
  const log = await logOf(root)
  const { rows } = await client.query(`SELECT to_jsonb(t) AS row FROM ${table} t ORDER BY ${key}`)
  const texts = rows.map(({ row }) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value)])),
  )
  const held = [...fold(log, table).values()]
  const order = (list: readonly object[]): string[] =>
    list.map((row) => JSON.stringify(row, Object.keys(row).sort())).sort()
  expect(order(held)).toEqual(order(texts))
  expect(repeated(log)).toBe(0)
}

test('a first run copies, the next ones take what was committed since, to one boundary for all tables', async () => {
  const root = await shop(
    ['public.a', 'public.b'],
    [
      'CREATE TABLE a (id int PRIMARY KEY, v text)',
      'CREATE TABLE b (id int PRIMARY KEY, a int, big text)',
      "INSERT INTO a SELECT i, 'v' || i FROM generate_series(1, 1000) i",
      "INSERT INTO b SELECT i, i, repeat('x', 10) FROM generate_series(1, 10) i",
    ],
  )
  const first = await runProject(root)
  expect(first.errors).toEqual([])
  expect(first.summary).toMatchObject({ status: 'succeeded', rows: { read: 1012, accepted: 1012 } })
  await expectEqual(root, 'public.a')
  expect(await confirmed()).toBe(printLsn((await cursorOf(root)).position))

  await sql(
    "UPDATE a SET v = 'new' WHERE id <= 3",
    'BEGIN',
    'DELETE FROM a WHERE id = 4',
    'UPDATE a SET id = 2000 WHERE id = 5',
    'INSERT INTO b VALUES (11, 2000, NULL)',
    'COMMIT',
    'TRUNCATE b',
    "INSERT INTO b VALUES (1, 1, 'after')",
  )
  const second = await runProject(root)
  expect(second.errors).toEqual([])
  expect(second.summary).toMatchObject({ status: 'succeeded', rows: { read: 8, accepted: 8 } })
  await expectEqual(root, 'public.a')
  await expectEqual(root, 'public.b')
  expect(await confirmed()).toBe(printLsn((await cursorOf(root)).position))
  const record = await lakeOf(root).current('raw.shop')
  expect(record?.inputs).toMatchObject([{ kind: 'changes', connection: 'shop', transactions: 4, rows: 8 }])
  // Every transaction has an instant of its own, and time only goes on.
  const changes = (await logOf(root)).map(({ _lsn, effective }) => ({ _lsn, effective: BigInt(effective) }))
  for (const [at, change] of changes.entries()) {
    if (at === 0) continue
    const before = changes[at - 1]!
    if (before._lsn === change._lsn) expect(change.effective).toBe(before.effective)
    else expect(change.effective).toBeGreaterThan(before.effective)
  }

  const third = await runProject(root)
  expect(third.summary).toMatchObject({ status: 'succeeded', tasks: { unchanged: 1 } })
  expect((await lakeOf(root).current('raw.shop'))?.version).toBe(2)
})

test('a backlog comes in versions of whole transactions, in one run', async () => {
  const root = await shop(['public.t'], ['CREATE TABLE t (id int PRIMARY KEY, v int)'], 'maxBatchRows: 100')
  await runProject(root)
  for (let i = 0; i < 10; i++)
    await sql(`INSERT INTO t SELECT i, ${i} FROM generate_series(${i * 40}, ${i * 40 + 39}) i`)
  const { summary, errors } = await runProject(root)
  expect(errors).toEqual([])
  expect(summary.rows).toMatchObject({ read: 400, accepted: 400 })
  const versions = await lakeOf(root).versions('raw.shop')
  expect(versions.map(({ accounting }) => accounting.accepted)).toEqual([40, 120, 120, 120, 1])
  await expectEqual(root, 'public.t')
})
