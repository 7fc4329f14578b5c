/** The warehouses that the conformance suite runs against, and how a test speaks to them. A new warehouse is one entry here. */

import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { Clock } from '../../src/base/clock.ts'
import type { ConnectionSettings } from '../../src/connections/connection.ts'
import type { Load } from '../../src/definition/types.ts'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import { quoteIdentifier } from '../../src/sql/quote.ts'
import type { Dialect } from '../../src/warehouses/dialect.ts'
import { duckDbDialect } from '../../src/warehouses/duckdb/dialect.ts'
import { openDuckDbWarehouse } from '../../src/warehouses/duckdb/warehouse.ts'
import { postgresDialect } from '../../src/warehouses/postgres/dialect.ts'
import { openPostgresWarehouse } from '../../src/warehouses/postgres/warehouse.ts'
import type { LoadColumn, LoadInput, Warehouse } from '../../src/warehouses/warehouse.ts'
import { hostileSettings, hostileSetUp, type Pooler, startPooler } from '../doubles/pooler.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { readingSelects, selectOf } from './select-relation.ts'

export const engine = readingSelects(duckDbEngine({ memoryLimit: '1GB', threads: 2 }))

/** A clock that moves a second with every look, so that no two loads share an instant. */
export function tickingClock(): Clock {
  let at = Date.parse('2026-01-01T00:00:00Z')
  return {
    now: () => {
      at += 1000
      return new Date(at)
    },
    sleep: async () => undefined,
  }
}

/** A warehouse under test: each call of `open` opens the same database. */
export interface WarehouseUnderTest {
  readonly name: string
  /** Rounds of generated histories, 100 histories each: a server is slower. */
  readonly rounds: number
  make(): Promise<{ readonly dialect: Dialect; open(): Promise<Warehouse> }>
}

let server: Promise<PostgresServer> | undefined
let pooler: Promise<Pooler> | undefined
afterAll(async () => {
  await (await pooler)?.[Symbol.asyncDispose]()
  await (await server)?.stop()
})

/** The one server of a test file, started by its first test that needs it. */
export function postgresServer(): Promise<PostgresServer> {
  server ??= startPostgres()
  return server
}

/** How the server is reached. */
export function settingsOf({ host, port, user, password, database }: PostgresServer): ConnectionSettings {
  return {
    name: 'warehouse',
    kind: 'postgres',
    ...{ host, port, user, password, database },
    tls: 'off',
    connectTimeoutSeconds: 10,
  }
}

/** A pooler before the server, whose sessions another client leaves with settings that spoil everything. */
export async function hostilePooler(): Promise<Pooler> {
  pooler ??= postgresServer().then(async (running) => {
    await hostileSetUp(running)
    return startPooler(running, { left: hostileSettings })
  })
  return pooler
}

let schemas = 0

/** A schema of its own, empty. */
export async function freshSchema(): Promise<{ readonly settings: ConnectionSettings; readonly schema: string }> {
  const running = await postgresServer()
  schemas += 1
  const schema = `t${schemas}`
  const client = await running.superuserClient()
  await client.query(`CREATE SCHEMA ${schema}`).finally(() => client.end())
  return { settings: settingsOf(running), schema }
}

/** Acceptance asks for 1,000 histories, 100 a round; the gate takes fewer. */
const rounds = Math.ceil(Number(process.env['SLUICE_HISTORIES'] ?? 400) / 100)

export const warehouses: readonly WarehouseUnderTest[] = [
  {
    name: 'duckdb',
    rounds,
    make: async () => {
      const path = join(mkdtempSync(join(tmpdir(), 'sluice-warehouse-')), 'warehouse.duckdb')
      const clock = tickingClock()
      return { dialect: duckDbDialect, open: () => openDuckDbWarehouse({ path, engine, clock }) }
    },
  },
  {
    name: 'postgres',
    rounds: Math.ceil(rounds / 2),
    make: async () => {
      const { settings, schema } = await freshSchema()
      const clock = tickingClock()
      return {
        dialect: postgresDialect(schema),
        open: () => openPostgresWarehouse({ settings, schema, engine, clock, folder: tmpdir() }),
      }
    },
  },
]

/** PostgreSQL again, through a pooler in transaction mode whose other client is hostile. */
export const behindPooler: WarehouseUnderTest = {
  name: 'postgres behind a pooler',
  rounds: 0,
  make: async () => {
    const { settings, schema } = await freshSchema()
    const { port } = await hostilePooler()
    const clock = tickingClock()
    return {
      dialect: postgresDialect(schema),
      open: () => openPostgresWarehouse({ settings: { ...settings, port }, schema, engine, clock, folder: tmpdir() }),
    }
  },
}

/** Columns from `name: type`; a trailing `!` means that NULL is not legal. */
export function columns(of: { readonly [name: string]: string }): readonly LoadColumn[] {
  return Object.entries(of).map(([name, type]) => ({
    name,
    type: type.replace('!', ''),
    nullable: !type.endsWith('!'),
  }))
}

/** A SELECT of literal rows with exactly these columns. */
export function rowsOf(
  shape: readonly LoadColumn[],
  rows: readonly (readonly (string | number | boolean | null)[])[],
): string {
  const list = shape.map(({ name, type }, index) => `CAST(c${index} AS ${type}) AS ${quoteIdentifier(name)}`).join(', ')
  const names = shape.map((_column, index) => `c${index}`).join(', ')
  if (rows.length === 0) {
    return `SELECT ${shape.map(({ name, type }) => `CAST(NULL AS ${type}) AS ${quoteIdentifier(name)}`).join(', ')} WHERE 1 = 0`
  }
  const literal = (value: string | number | boolean | null): string =>
    value === null ? 'NULL' : `'${String(value).replaceAll("'", "''")}'`
  return `SELECT ${list} FROM (VALUES ${rows.map((row) => `(${row.map(literal).join(', ')})`).join(', ')}) v(${names})`
}

/** An input over literal rows. */
export function inputOf(
  version: number,
  load: Load,
  shape: readonly LoadColumn[],
  rows: readonly (readonly (string | number | boolean | null)[])[],
  rest: Partial<LoadInput> = {},
): LoadInput {
  return {
    loadId: `load ${version}`,
    definition: 'd',
    target: 'target',
    load,
    columns: shape,
    version,
    committedAt: new Date(Date.parse('2026-01-01T00:00:00Z') + version * 86_400_000).toISOString(),
    relation: selectOf(rowsOf(shape, rows)),
    rows: rows.length,
    run: 'run',
    attempt: 1,
    fencingToken: 1,
    ...rest,
  }
}
