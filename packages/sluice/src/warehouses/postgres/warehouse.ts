/**
 * A schema of a PostgreSQL database as a warehouse.
 *
 * One load is one transaction, with its ledger row in it. Loads of one target wait for each other by an advisory lock; other writers of the
 * target wait by a table lock; readers wait for nobody, and see the rows of before until the COMMIT.
 */
import type pg from 'pg'
import type { Clock } from '../../base/clock.ts'
import { assert, sluiceError } from '../../base/errors.ts'
import { sha256 } from '../../base/json.ts'
import type { ConnectionSettings } from '../../connections/connection.ts'
import { dropPostgres } from '../../connections/postgres/connect.ts'
import { isLost } from '../../connections/postgres/errors.ts'
import type { Engine, Session } from '../../engines/engine.ts'
import { quoteIdentifier, quoteName } from '../../sql/quote.ts'
import { assembleWarehouse, loadAndCommit } from '../assemble.ts'
import type { Dialect, SqlRunner } from '../dialect.ts'
import type { FoundColumn } from '../drift.ts'
import type { ForeignKey } from '../foreign-keys.ts'
import { ledgerRows } from '../ledger.ts'
import type { LoadSetting } from '../load.ts'
import { lookedUpBy } from '../lookups.ts'
import { columnList } from '../statements.ts'
import type { LoadInput, LoadResult, Warehouse } from '../warehouse.ts'
import { engineTypeOf, ownSchemaName, postgresDialect } from './dialect.ts'
import { isContended, loadError, openLoader, sqlRunner, whyOf } from './session.ts'
import { postgresStaging } from './staging.ts'

/** How a PostgreSQL warehouse is opened. */
export interface PostgresWarehouseOptions {
  readonly settings: ConnectionSettings
  /** The schema of targets without one; it is made where it is missing. @default 'public' */
  readonly schema?: string
  /** Reads the lake. */
  readonly engine: Engine
  readonly clock: Clock
  /** An absolute local folder, for the pipe that rows pass through. */
  readonly folder: string
  /** How long a load waits for another transaction, in milliseconds. @default 60000 */
  readonly lockTimeoutMs?: number
  /** What every connecting goes through, to hold back a login that the server has just refused. @default nothing */
  readonly guard?: <T>(connect: () => Promise<T>) => Promise<T>
  /** Stops the statement that is running; a load is then rolled back. */
  readonly signal?: AbortSignal
}

/** WH-14: a transaction that had to give way is begun again, whole. */
const attempts = 5

/**
 * Opens the warehouse; any number of processes may have it open.
 *
 * @example await using warehouse = await openPostgresWarehouse({ settings, engine, clock: systemClock, folder })
 * @throws Connection.* as the server cannot be reached
 */
export async function openPostgresWarehouse(options: PostgresWarehouseOptions): Promise<Warehouse> {
  const { settings, schema = 'public', guard = (connect) => connect(), signal } = options
  const dialect = postgresDialect(schema)
  const connect = (stop?: AbortSignal): Promise<pg.Client> => guard(() => openLoader(settings, schema, stop))
  const connection: Connection = { client: await connect(signal), connect }
  let lake: Promise<Session> | undefined
  const openLake = (): Promise<Session> => {
    lake ??= options.engine.open(signal === undefined ? {} : { signal })
    return lake
  }
  return assembleWarehouse({
    dialect,
    sql: () => sqlRunner(connection.client),
    columnsOf: (sql, table) => columnsOf(sql, schema, table),
    kindOf: (sql, table) => kindOf(sql, schema, table),
    blockersOf: (sql, table, columns) => blockersOf(sql, schema, table, columns),
    foreignKeys,
    placeOf: (target) => tableOf(schema, target).join('.'),
    load: (input) => load({ ...options, schema, dialect, connection, openLake }, input),
    close: async () => {
      await Promise.all([lake?.then((session) => session.close()), connection.client.end().catch(() => undefined)])
    },
  })
}

interface Connection {
  /** Another one after the connection was lost. */
  client: pg.Client
  readonly connect: (signal?: AbortSignal) => Promise<pg.Client>
}

interface Loader extends PostgresWarehouseOptions {
  readonly schema: string
  readonly dialect: Dialect
  readonly connection: Connection
  readonly openLake: () => Promise<Session>
}

async function load(loader: Loader, input: LoadInput): Promise<LoadResult> {
  const { connection, clock, settings } = loader
  const cancel = cancelOnAbort(loader, input.signal)
  try {
    for (let attempt = 1; ; attempt++) {
      input.signal?.throwIfAborted()
      try {
        return await attemptLoad(loader, input)
      } catch (error) {
        // Where this fails too, the connection is gone, and the server rolls back.
        await connection.client.query('ROLLBACK').catch(() => undefined)
        if (attempt === attempts || !isContended(error)) throw error
        await clock.sleep(50 * 2 ** attempt)
      }
    }
  } catch (error) {
    input.signal?.throwIfAborted()
    throw loadError(error, input.target, settings)
  } finally {
    await cancel()
  }
}

async function attemptLoad(loader: Loader, input: LoadInput): Promise<LoadResult> {
  const { schema, dialect, clock, connection, folder } = loader
  const { client } = connection
  const sql = sqlRunner(client)
  const lake = await loader.openLake()
  await using staging = await postgresStaging({ lake, client, dialect, folder })
  const setting: LoadSetting = {
    ...{ sql, dialect, staging, clock },
    columnsOf: (table) => columnsOf(sql, schema, table),
    kindOf: (table) => kindOf(sql, schema, table),
    meddlersOf: (table) => meddlersOf(sql, schema, table),
    blockersOf: (table, columns) => blockersOf(sql, schema, table, columns),
    foreignKeys: () => foreignKeys(sql),
    placeOf: (target) => tableOf(schema, target).join('.'),
    settle: () => sql.run('SET CONSTRAINTS ALL IMMEDIATE'),
    makeSchema: (name) => makeSchema(sql, schemaOf(schema, name)),
    index: (table, columns) => makeIndex(sql, table, columns),
  }
  // Awaited here: staging ends with this function.
  return await loadAndCommit(setting, input, {
    async begun() {
      // Rows that a policy hides from the login would be taken for rows that are not there: the server refuses such a statement then.
      // Keys that may wait are checked at the end, once the rows that they name are back.
      await sql.run('SET LOCAL row_security = off; SET CONSTRAINTS ALL DEFERRED')
      for (const table of [input.target, ...lookedUpBy(input.load)]) {
        await takeTurn(loader, sql, table)
        if ((await setting.columnsOf(table)).length > 0)
          await sql.run(`LOCK TABLE ${quoteName(table)} IN SHARE ROW EXCLUSIVE MODE`)
      }
      await makeSchema(sql, schema)
    },
    async commit() {
      try {
        const { command } = await client.query('COMMIT')
        assert(command === 'COMMIT', `the server answered the COMMIT of ${input.target} with ${command}`)
        return undefined
      } catch (error) {
        if (!isLost(error)) throw error
        return await askLedger(loader, input, error)
      }
    },
  })
}

/** One load of a target at a time (WH-04): the lock lasts as long as the transaction, and a lost connection gives it back. */
async function takeTurn({ schema, lockTimeoutMs = 60_000 }: Loader, sql: SqlRunner, target: string): Promise<void> {
  await sql.run(`SET LOCAL lock_timeout = ${Math.round(lockTimeoutMs)}`)
  await sql.run('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
    `sluice load ${tableOf(schema, target).join('.')}`,
  ])
}

/**
 * WH-02: the connection was lost at the COMMIT. The old transaction holds the target's lock until it has ended one way or the other; then the
 * ledger says which.
 */
async function askLedger(loader: Loader, input: LoadInput, lost: unknown): Promise<LoadResult> {
  const { connection, dialect, schema } = loader
  const { target, loadId } = input
  try {
    dropPostgres(connection.client)
    connection.client = await connection.connect()
    const sql = sqlRunner(connection.client)
    await sql.run('BEGIN')
    await takeTurn(loader, sql, target)
    const there = (await columnsOf(sql, schema, 'sluice.load_ledger')).length > 0
    const [row] = there ? await ledgerRows(sql, dialect, { loadId }) : []
    await sql.run('ROLLBACK')
    if (row !== undefined) return row.result
  } catch (error) {
    throw sluiceError('Warehouse.OutcomeUnknown', { target, why: whyOf(error) }, { cause: error })
  }
  throw lost
}

/** Tells the server to stop the statement that is running: it would work on, and keep its locks, for a client that is gone. */
function cancelOnAbort({ connection, openLake }: Loader, signal: AbortSignal | undefined): () => Promise<void> {
  let cancelled: Promise<unknown> = Promise.resolve()
  const cancel = (): void => {
    const { processID } = connection.client as pg.Client & { readonly processID: number }
    void openLake().then((lake) => lake.interrupt())
    cancelled = connection
      .connect()
      .then((other) => other.query('SELECT pg_cancel_backend($1)', [processID]).finally(() => other.end()))
      .catch(() => dropPostgres(connection.client))
  }
  signal?.addEventListener('abort', cancel)
  return async () => {
    signal?.removeEventListener('abort', cancel)
    await cancelled
  }
}

/** The right to make a schema is asked for only where it is missing. */
async function makeSchema(sql: SqlRunner, schema: string): Promise<void> {
  const there = await sql.all('SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1', [schema])
  if (there.length === 0) await sql.run(`CREATE SCHEMA ${quoteIdentifier(schema)}`)
}

/** Makes the index by which a mode finds rows again. Its name follows from the table and the columns; one that was dropped is made again. */
async function makeIndex(sql: SqlRunner, table: string, columns: readonly string[]): Promise<void> {
  if (columns.length === 0) return
  const name = `sluice_${sha256(`${table} ${columnList(columns)}`).slice(0, 24)}`
  const there = await sql.all(
    'SELECT 1 FROM pg_index WHERE indrelid = $1::regclass AND indexrelid::regclass::text LIKE $2',
    [table, `%${name}`],
  )
  if (there.length > 0) return
  await sql.run(`CREATE INDEX ${quoteIdentifier(name)} ON ${table} (${columnList(columns)})`)
  // Just made: the next load's plans must know what the table is like.
  await sql.run(`ANALYZE ${table}`)
}

async function columnsOf(sql: SqlRunner, schema: string, table: string): Promise<readonly FoundColumn[]> {
  const rows = await sql.all<{ name: string; type: string }>(
    // A collation that takes different texts for equal ones would fold keys and hide changes: a column of it is of another type.
    `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod)
       || CASE WHEN NOT co.collisdeterministic THEN ' COLLATE ' || co.collname ELSE '' END AS type
     FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     LEFT JOIN pg_catalog.pg_collation AS co ON co.oid = a.attcollation
     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [...tableOf(schema, table)],
  )
  return rows.map(({ name, type }) => ({ name, type: engineTypeOf(type) }))
}

const kinds: { readonly [relkind: string]: string } = {
  r: 'table',
  p: 'table',
  v: 'view',
  m: 'materialized view',
  f: 'foreign table',
  S: 'sequence',
}

async function kindOf(sql: SqlRunner, schema: string, table: string): Promise<string | undefined> {
  const [row] = await sql.all<{ relkind: string }>(
    `SELECT c.relkind::text FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
    [...tableOf(schema, table)],
  )
  return row === undefined ? undefined : (kinds[row.relkind] ?? `relation of the kind ${row.relkind}`)
}

/** Views over a column hold its type fast. */
async function blockersOf(
  sql: SqlRunner,
  schema: string,
  table: string,
  columns: readonly string[],
): Promise<readonly string[]> {
  const rows = await sql.all<{ blocker: string }>(
    `SELECT DISTINCT CASE v.relkind WHEN 'm' THEN 'the materialized view ' ELSE 'the view ' END || v.oid::regclass AS blocker
     FROM pg_catalog.pg_depend AS d
     JOIN pg_catalog.pg_class AS c ON d.refclassid = 'pg_catalog.pg_class'::regclass AND c.oid = d.refobjid
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
     JOIN pg_catalog.pg_rewrite AS r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
     JOIN pg_catalog.pg_class AS v ON v.oid = r.ev_class AND v.oid <> c.oid
     WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = ANY ($3) ORDER BY 1`,
    [...tableOf(schema, table), [...columns]],
  )
  return rows.map(({ blocker }) => blocker)
}

const onDeletes: { readonly [letter: string]: ForeignKey['onDelete'] } = {
  c: 'CASCADE',
  n: 'SET NULL',
  d: 'SET DEFAULT',
}

/** Each once: a partition has those of its root again. */
async function foreignKeys(sql: SqlRunner): Promise<readonly ForeignKey[]> {
  const rows = await sql.all<{ name: string; place: string; named: string; letter: string }>(
    `SELECT conname AS name, tn.nspname || '.' || t.relname AS place, rn.nspname || '.' || r.relname AS named, confdeltype::text AS letter
     FROM pg_catalog.pg_constraint AS k
     JOIN pg_catalog.pg_class AS t ON t.oid = k.conrelid JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
     JOIN pg_catalog.pg_class AS r ON r.oid = k.confrelid JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
     WHERE k.contype = 'f' AND k.conparentid = 0 ORDER BY 1, 2`,
  )
  return rows.map(({ name, place, named, letter }) => ({
    ...{ name, table: place, references: named, onDelete: onDeletes[letter] ?? 'stay' },
  }))
}

/** Triggers and rules of a table and its partitions. */
async function meddlersOf(sql: SqlRunner, schema: string, table: string): Promise<readonly string[]> {
  const rows = await sql.all<{ meddler: string }>(
    `WITH own AS (
       SELECT c.oid FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2),
     parts AS (SELECT oid FROM own UNION SELECT p.relid FROM own, pg_catalog.pg_partition_tree(own.oid) AS p)
     SELECT DISTINCT 'the trigger ' || quote_ident(tgname) AS meddler FROM pg_catalog.pg_trigger JOIN parts ON parts.oid = tgrelid
       WHERE NOT tgisinternal AND tgenabled <> 'D'
     UNION SELECT 'the rule ' || quote_ident(rulename) FROM pg_catalog.pg_rewrite JOIN parts ON parts.oid = ev_class WHERE ev_enabled <> 'D'
     ORDER BY 1`,
    [...tableOf(schema, table)],
  )
  return rows.map(({ meddler }) => meddler)
}

/** Schema and name; the schema `sluice` is the one of Sluice's own tables. */
function tableOf(schema: string, table: string): readonly [string, string] {
  const [first, second] = table.split('.', 2) as [string, string | undefined]
  if (second === undefined) return [schema, first]
  return [schemaOf(schema, first), second]
}

function schemaOf(schema: string, name: string): string {
  return name === 'sluice' ? ownSchemaName(schema) : name
}
