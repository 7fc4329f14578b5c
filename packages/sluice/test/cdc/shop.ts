/** Databases with tables that are captured, one a test, on one server a file. */
import { rmSync } from 'node:fs'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { cdcProject, fold, logOf, repeated } from './project.ts'

/** The server of this file. */
export let server: PostgresServer
/** A superuser in the database of this test. */
export let client: pg.Client
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

/** Connects again, to a server that was started again. */
export async function reconnect(): Promise<void> {
  client = await server.superuserClient(`shop_${number - 1}`)
}

/** Runs statements. */
export async function sql(...statements: readonly string[]): Promise<void> {
  for (const statement of statements) await client.query(statement)
}

/** A database of its own, with tables that are published, and a project that captures them. */
export async function shop(tables: readonly string[], setup: readonly string[], options = ''): Promise<string> {
  const root = await unpublished(tables, setup, options)
  await sql(`CREATE PUBLICATION ${name()} FOR TABLE ${tables.join(', ')} WITH (publish_via_partition_root = true)`)
  return root
}

/** The same without a publication. */
export async function unpublished(tables: readonly string[], setup: readonly string[], options = ''): Promise<string> {
  const database = `shop_${number++}`
  await server.createDatabase(database)
  client = await server.superuserClient(database)
  await sql(...setup)
  const own = `slot: 'sluice_${database}', publication: 'sluice_${database}', ${options}`
  const root = cdcProject(server, database, tables, own)
  roots.push(root)
  return root
}

/** The slot, and the publication, of this test. */
export const name = (): string => `sluice_shop_${number - 1}`

/** Up to where the server knows that changes are committed. */
export async function confirmed(): Promise<string> {
  const { rows } = await client.query(
    'SELECT confirmed_flush_lsn AS at FROM pg_replication_slots WHERE database = current_database()',
  )
  return rows[0].at
}

/** Tables by the log are the tables by the server, and no change is in it twice. */
export async function expectEqual(root: string, ...tables: readonly string[]): Promise<void> {
  const log = await logOf(root)
  for (const table of tables) {
    const { rows } = await client.query(`SELECT to_jsonb(t) AS row FROM ${table} t`)
    const texts = rows.map(({ row }) =>
      Object.fromEntries(Object.entries(row).map(([column, value]) => [column, value === null ? null : String(value)])),
    )
    const order = (list: Iterable<object>): string[] =>
      [...list].map((row) => JSON.stringify(row, Object.keys(row).sort())).sort()
    expect(order(fold(log, table).values()), table).toEqual(order(texts))
  }
  expect(repeated(log)).toBe(0)
}
