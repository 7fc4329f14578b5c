/**
 * A DuckDB file as a warehouse. Only one process can have the file open, so it is opened for a load and closed after it.
 *
 * The file is attached to a session of the engine: the lake's Parquet and the warehouse are then one database, and nothing is staged.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { sluiceError } from '../../base/errors.ts'
import { type Turn, turns } from '../../base/queue.ts'
import type { Engine, Session } from '../../engines/engine.ts'
import { quoteIdentifier, quoteName } from '../../sql/quote.ts'
import { assembleWarehouse, loadAndCommit } from '../assemble.ts'
import type { FoundColumn } from '../drift.ts'
import type { ForeignKey } from '../foreign-keys.ts'
import type { LoadSetting } from '../load-setting.ts'
import { columnList } from '../statements.ts'
import type { LoadInput, LoadResult, Warehouse } from '../warehouse.ts'
import { duckDbDialect } from './dialect.ts'
import { duckDbStaging } from './staging.ts'

/** How a DuckDB warehouse is opened. */
export interface DuckDbWarehouseOptions {
  /** The database file; its folder is made where it is missing. */
  readonly path: string
  readonly engine: Engine
  /** @default false */
  readonly readOnly?: boolean
  readonly clock: Clock
  /** Stops the statement that is running; a load is then rolled back. */
  readonly signal?: AbortSignal
}

/** The attached database; no target is called so. */
const database = 'sluice_warehouse'

/** Files that this process has opened, by absolute path. */
const files = new Map<string, Turn>()

/**
 * Opens the warehouse. Waits while another part of this process has the file open; close it as soon as the load is done.
 *
 * @example await using warehouse = await openDuckDbWarehouse({ path: 'warehouse.duckdb', engine, clock: systemClock })
 * @throws Warehouse.Locked where another process has the file open; Warehouse.Missing where there is nothing to read
 */
export async function openDuckDbWarehouse(options: DuckDbWarehouseOptions): Promise<Warehouse> {
  const { engine, readOnly = false, clock, signal } = options
  const path = resolve(options.path)
  // DuckDB's lock is the process's: two instances in one process would both get it, and write over each other.
  const release = await takeTurn(path)
  try {
    if (readOnly && !existsSync(path)) throw sluiceError('Warehouse.Missing', { path: options.path })
    if (!readOnly) mkdirSync(dirname(path), { recursive: true })
    const session = await engine.open({
      attach: { path, name: database, readOnly },
      ...(signal === undefined ? {} : { signal }),
    })
    await session.run(`USE ${database}`)
    // A commit goes into the file itself, not into the log first: closing would only write it a second time.
    await session.run("SET checkpoint_threshold = '0KB'")
    return warehouseOver(session, clock, release)
  } catch (error) {
    release()
    throw error
  }
}

/**
 * The warehouse contract over a session whose current database is the warehouse.
 *
 * @param closed Called once, after the session was closed.
 */
export function warehouseOver(session: Session, clock: Clock, closed: () => void): Warehouse {
  const setting: LoadSetting = {
    sql: session,
    dialect: duckDbDialect,
    staging: duckDbStaging(session),
    clock,
    columnsOf: (table) => columnsOf(session, table),
    kindOf: (table) => kindOf(session, table),
    // It has neither triggers nor rules.
    meddlersOf: async () => [],
    blockersOf: (table) => blockersOf(session, table),
    foreignKeys: () => foreignKeys(session),
    placeOf: (target) => placeOf(target).join('.'),
    ready: (table) => bindIndexes(session, table),
    makeSchema: (name) => session.run(`CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(name)}`),
  }
  return assembleWarehouse({
    dialect: duckDbDialect,
    outside: (work) => work(session),
    columnsOf: (_, table) => columnsOf(session, table),
    kindOf: (_, table) => kindOf(session, table),
    blockersOf: (_, table) => blockersOf(session, table),
    foreignKeys: () => foreignKeys(session),
    placeOf: (target) => placeOf(target).join('.'),
    load: (input) => load(session, setting, input),
    async close() {
      try {
        await session.close()
      } finally {
        closed()
      }
    },
  })
}

async function load(session: Session, setting: LoadSetting, input: LoadInput): Promise<LoadResult> {
  input.signal?.throwIfAborted()
  const stop = (): void => session.interrupt()
  input.signal?.addEventListener('abort', stop)
  try {
    return await loadAndCommit(setting, input)
  } catch (error) {
    // Where this fails too (an aborted session), closing the session rolls back.
    await session.run('ROLLBACK').catch(() => undefined)
    input.signal?.throwIfAborted()
    throw refused(error, input.target)
  } finally {
    input.signal?.removeEventListener('abort', stop)
  }
}

/** What the tables of the warehouse refuse, and not the lake's rows; in the registry's words. */
function refused(error: unknown, target: string): unknown {
  const [, code, why] =
    /(Constraint|Dependency) Error: ([^\n]+)/.exec(error instanceof Error ? error.message : '') ?? []
  if (code === undefined || why === undefined) return error
  if (/foreign key/i.test(why)) return sluiceError('Warehouse.ForeignKey', { target, why }, { cause: error })
  return sluiceError('Warehouse.Refused', { target, code, why: why.replace(/\.$/, '') }, { cause: error })
}

async function columnsOf(session: Session, table: string): Promise<readonly FoundColumn[]> {
  const rows = await session.all<{ name: string; type: string; made: string }>(
    `SELECT c.column_name AS name, c.data_type AS type, t.sql AS made FROM duckdb_columns() AS c
     JOIN duckdb_tables() AS t ON t.database_name = c.database_name AND t.table_oid = c.table_oid
     WHERE c.database_name = $1 AND c.schema_name = $2 AND c.table_name = $3 ORDER BY c.column_index`,
    [database, ...placeOf(table)],
  )
  return rows.map(({ name, type, made }) => ({ name, type: `${type}${collationIn(made, name)}` }))
}

/**
 * A collation that takes different texts for equal ones would fold keys and hide changes: a column of it is of another type. Only the statement that
 * would make the table says it.
 */
function collationIn(made: string, column: string): string {
  const names = [column, quoteIdentifier(column)].map((name) => name.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&'))
  const found = new RegExp(`[(,] ?(?:${names.join('|')}) VARCHAR COLLATE ([^ ,)]+)`).exec(made)
  return found === null ? '' : ` COLLATE ${found[1]}`
}

async function kindOf(session: Session, table: string): Promise<string | undefined> {
  const [row] = await session.all<{ kind: string }>(
    `SELECT kind FROM (
       SELECT 'table' AS kind, database_name, schema_name, table_name AS name FROM duckdb_tables()
       UNION ALL SELECT 'view', database_name, schema_name, view_name FROM duckdb_views()) AS t
     WHERE database_name = $1 AND schema_name = $2 AND name = $3`,
    [database, ...placeOf(table)],
  )
  return row?.kind
}

/** An index of any column forbids that the type of any other is changed. */
async function blockersOf(session: Session, table: string): Promise<readonly string[]> {
  const rows = await session.all<{ name: string }>(
    `SELECT index_name AS name FROM duckdb_indexes() WHERE database_name = $1 AND schema_name = $2 AND table_name = $3 ORDER BY 1`,
    [database, ...placeOf(table)],
  )
  return rows.map(({ name }) => `the index ${name}`)
}

/** It has no key that deletes follow, and none to a table of another schema. */
async function foreignKeys(session: Session): Promise<readonly ForeignKey[]> {
  const rows = await session.all<{ name: string; place: string; named: string }>(
    `SELECT constraint_name AS name, schema_name || '.' || table_name AS place, schema_name || '.' || referenced_table AS named
     FROM duckdb_constraints() WHERE database_name = $1 AND constraint_type = 'FOREIGN KEY' ORDER BY 1, 2`,
    [database],
  )
  return rows.map(({ name, place, named }) => ({ name, table: place, references: named, onDelete: 'stay' }))
}

/**
 * An index that was only opened with the file is brought in by the first INSERT. A DELETE before it would pass it by, and a unique index would then
 * refuse the keys that were deleted. https://github.com/duckdb/duckdb/issues/16604
 */
async function bindIndexes(session: Session, table: string): Promise<void> {
  const [indexed] = await session.all(
    'SELECT 1 FROM duckdb_indexes() WHERE database_name = $1 AND schema_name = $2 AND table_name = $3 LIMIT 1',
    [database, ...placeOf(table)],
  )
  if (indexed === undefined) return
  const names = columnList((await columnsOf(session, table)).map(({ name }) => name))
  await session.run(`INSERT INTO ${quoteName(table)} (${names}) SELECT ${names} FROM ${quoteName(table)} WHERE false`)
}

/** Schema and name. */
function placeOf(table: string): readonly [string, string] {
  const [first, second] = table.split('.', 2) as [string, string | undefined]
  return second === undefined ? ['main', first] : [first, second]
}

/** Waits until every earlier holder of the path has released it. */
function takeTurn(path: string): Promise<() => void> {
  const inTurn = files.get(path) ?? turns()
  files.set(path, inTurn)
  return new Promise((taken) => void inTurn(() => new Promise<void>((release) => taken(release))))
}
