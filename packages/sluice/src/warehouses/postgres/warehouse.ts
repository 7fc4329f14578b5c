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
import { turns } from '../../base/queue.ts'
import type { ConnectionSettings } from '../../connections/connection.ts'
import { dropPostgres } from '../../connections/postgres/connect.ts'
import { isLost } from '../../connections/postgres/errors.ts'
import { beginSettled, type SettledOptions, type SettledTransaction } from '../../connections/postgres/settled.ts'
import type { Engine, Session } from '../../engines/engine.ts'
import { quoteIdentifier } from '../../sql/quote.ts'
import { assembleWarehouse, loadAndCommit } from '../assemble.ts'
import type { Dialect, SqlRunner } from '../dialect.ts'
import type { FoundColumn } from '../drift.ts'
import { ledgerRows } from '../ledger.ts'
import type { LoadSetting } from '../load-setting.ts'
import { lookedUpBy } from '../lookups.ts'
import { columnList } from '../statements.ts'
import type { LoadInput, LoadResult, Warehouse } from '../warehouse.ts'
import { blockersOf, foreignKeys, kindOf, meddlersOf } from './catalog.ts'
import { copyTables, type FormattedColumn } from './copy-out.ts'
import { engineTypeOf, ownSchemaName, postgresDialect } from './dialect.ts'
import { beginLoader, isContended, loadError, openLoader, sqlRunner, whyOf } from './session.ts'
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

const cancelWithinMs = 5000

/**
 * Opens the warehouse; any number of processes may have it open.
 *
 * @example await using warehouse = await openPostgresWarehouse({ settings, engine, clock: systemClock, folder })
 * @throws Connection.* as the server cannot be reached
 */
export async function openPostgresWarehouse(options: PostgresWarehouseOptions): Promise<Warehouse> {
  const { settings, schema = 'public', guard = (connect) => connect(), signal } = options
  const dialect = postgresDialect(schema)
  const connect = (stop?: AbortSignal): Promise<pg.Client> => guard(() => openLoader(settings, stop))
  const connection: Connection = { client: await connect(signal), connect }
  const inTurn = turns()
  let lake: Promise<Session> | undefined
  const openLake = (): Promise<Session> => {
    lake ??= options.engine.open(signal === undefined ? {} : { signal })
    return lake
  }
  return assembleWarehouse({
    dialect,
    outside: (work) => inTurn(() => outside({ settings, schema, connection }, work)),
    columnsOf: (sql, table) => columnsOf(sql, schema, table),
    kindOf: (sql, table) => kindOf(sql, tableOf(schema, table)),
    blockersOf: (sql, table, columns) => blockersOf(sql, tableOf(schema, table), columns),
    foreignKeys,
    placeOf: (target) => tableOf(schema, target).join('.'),
    copyOut: (tables, to) =>
      inTurn(() =>
        outside(
          { settings, schema, connection },
          (sql) => {
            const columnsOf = (table: string) => formattedColumns(sql, schema, table)
            const nameOf = (table: string) => tableOf(schema, table).map(quoteIdentifier).join('.')
            return copyTables({ client: connection.client, settings, columnsOf, nameOf }, tables, to)
          },
          'REPEATABLE READ READ ONLY',
        ),
      ),
    load: (input) => inTurn(() => load({ ...options, schema, dialect, connection, openLake }, input)),
    close: async () => {
      await Promise.all([lake?.then((session) => session.close()), connection.client.end().catch(() => undefined)])
    },
  })
}

interface Connection {
  /** Another one after the connection was lost. */
  client: pg.Client
  /** The load's transaction that runs. */
  running?: SettledTransaction
  readonly connect: (signal?: AbortSignal) => Promise<pg.Client>
}

interface Loader extends PostgresWarehouseOptions {
  readonly schema: string
  readonly dialect: Dialect
  readonly connection: Connection
  readonly openLake: () => Promise<Session>
}

/** Runs statements in a transaction of their own. */
async function outside<T>(
  { settings, schema, connection: { client } }: Pick<Loader, 'settings' | 'schema' | 'connection'>,
  work: (sql: SqlRunner) => Promise<T>,
  mode?: SettledOptions['mode'],
): Promise<T> {
  try {
    await beginLoader(client, settings, schema, 'last', mode)
    const result = await work(sqlRunner(client))
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined)
    throw error
  }
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
    kindOf: (table) => kindOf(sql, tableOf(schema, table)),
    meddlersOf: (table) => meddlersOf(sql, tableOf(schema, table)),
    blockersOf: (table, columns) => blockersOf(sql, tableOf(schema, table), columns),
    foreignKeys: () => foreignKeys(sql),
    placeOf: (target) => tableOf(schema, target).join('.'),
    settle: () => sql.run('SET CONSTRAINTS ALL IMMEDIATE'),
    makeSchema: (name) => makeSchema(sql, schemaOf(schema, name)),
    index: (table, columns) => makeIndex(sql, schema, table, columns),
  }
  // Awaited here: staging ends with this function.
  return await loadAndCommit(setting, input, {
    async begin() {
      connection.running = await beginLoader(client, loader.settings, schema, 'first')
      input.signal?.throwIfAborted()
    },
    async begun() {
      // Keys that may wait are checked at the end, once the rows that they name are back.
      await sql.run('SET CONSTRAINTS ALL DEFERRED')
      for (const table of [input.target, ...lookedUpBy(input.load)]) {
        await takeTurn(loader, sql, table)
        if ((await setting.columnsOf(table)).length > 0)
          await sql.run(`LOCK TABLE ${dialect.table(table)} IN SHARE ROW EXCLUSIVE MODE`)
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
    await beginLoader(connection.client, loader.settings, schema, 'last')
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
    void openLake().then((lake) => lake.interrupt())
    cancelled = stopRunning(connection).catch(() => dropPostgres(connection.client))
  }
  signal?.addEventListener('abort', cancel)
  return async () => {
    signal?.removeEventListener('abort', cancel)
    await cancelled
  }
}

/** Stops the load's transaction and no other: its session may be lent to somebody else by now. */
async function stopRunning({ running, connect }: Connection): Promise<void> {
  if (running === undefined) return
  // A pooler may have no session left for this, while the load has one.
  const within = AbortSignal.timeout(cancelWithinMs)
  const other = await connect(within)
  within.addEventListener('abort', () => dropPostgres(other))
  try {
    // As another role it might not see what is running.
    await beginSettled(other, { connection: 'warehouse' })
    const it = 'SELECT pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity WHERE pid = $1 AND xact_start = $2'
    await other.query(it, [running.pid, running.began])
    await other.query('COMMIT')
  } finally {
    void other.end().catch(() => undefined)
  }
}

/** The right to make a schema is asked for only where it is missing. */
async function makeSchema(sql: SqlRunner, schema: string): Promise<void> {
  const there = await sql.all('SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1', [schema])
  if (there.length === 0) await sql.run(`CREATE SCHEMA ${quoteIdentifier(schema)}`)
}

/** Makes the index by which a mode finds rows again. Its name follows from the table and the columns; one that was dropped is made again. */
async function makeIndex(sql: SqlRunner, schema: string, table: string, columns: readonly string[]): Promise<void> {
  if (columns.length === 0) return
  const own = table.replace(`${quoteIdentifier(schema)}.`, '')
  const name = `sluice_${sha256(`${own} ${columnList(columns)}`).slice(0, 24)}`
  const there = await sql.all(
    'SELECT 1 FROM pg_catalog.pg_index WHERE indrelid = $1::regclass AND indexrelid::regclass::text LIKE $2',
    [table, `%${name}`],
  )
  if (there.length > 0) return
  await sql.run(`CREATE INDEX ${quoteIdentifier(name)} ON ${table} (${columnList(columns)})`)
  // Just made: the next load's plans must know what the table is like.
  await sql.run(`ANALYZE ${table}`)
}

async function columnsOf(sql: SqlRunner, schema: string, table: string): Promise<readonly FoundColumn[]> {
  const columns = await formattedColumns(sql, schema, table)
  // A collation that takes different texts for equal ones would fold keys and hide changes: a column of it is of another type.
  return columns.map(({ name, formatted, folding }) => ({
    name,
    type: `${engineTypeOf(formatted)}${folding === null ? '' : ` COLLATE ${folding}`}`,
  }))
}

/** Columns with the types as the server spells them. */
function formattedColumns(
  sql: SqlRunner,
  schema: string,
  table: string,
): Promise<(FormattedColumn & { readonly folding: string | null })[]> {
  return sql.all(
    `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS formatted, co.collname AS folding
     FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     LEFT JOIN pg_catalog.pg_collation AS co ON co.oid = a.attcollation AND NOT co.collisdeterministic
     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [...tableOf(schema, table)],
  )
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
