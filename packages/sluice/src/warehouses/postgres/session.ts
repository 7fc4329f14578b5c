/** A loader's connection: its settings, its statements, and its errors in Sluice's words. */
import type pg from 'pg'
import { isSluiceError, type SluiceError, sluiceError } from '../../base/errors.ts'
import type { ConnectionSettings } from '../../connections/connection.ts'
import { connectPostgres, isPooled, loadCopyStreams } from '../../connections/postgres/connect.ts'
import { isLost, sqlState } from '../../connections/postgres/errors.ts'
import { beginSettled, type SettledOptions, type SettledTransaction } from '../../connections/postgres/settled.ts'
import { quoteIdentifier } from '../../sql/quote.ts'
import type { SqlRunner } from '../dialect.ts'

/** Types whose values JavaScript holds exactly; all others stay text. https://www.postgresql.org/docs/current/catalog-pg-type.html */
const parsers: { readonly [oid: number]: (text: string) => unknown } = {
  16: (text) => text === 't',
  21: Number,
  23: Number,
  700: double,
  701: double,
}

/** JSON has no word for these; DuckDB's JSON writes them as texts, too. */
function double(text: string): number | string {
  const value = Number(text)
  return Number.isFinite(value) ? value : text
}

const types = { getTypeParser: (oid: number) => parsers[oid] ?? ((text: string) => text) }

/**
 * Opens a loader's connection. Settings are made in each transaction, see {@link beginLoader}: a pooler may lend the session to others.
 *
 * @throws Connection.* as the server cannot be reached
 */
export async function openLoader(settings: ConnectionSettings, signal: AbortSignal | undefined): Promise<pg.Client> {
  // The driver's other half is needed at the first row only; that it is missing is reported before anything was begun.
  await loadCopyStreams(settings.name)
  const client = await connectPostgres(settings, {
    applicationName: 'sluice load',
    ...(signal === undefined ? {} : { signal }),
  })
  // Only before a session's first temporary table can it be set.
  if (!isPooled(client)) await client.query("SET temp_buffers TO '64MB'")
  return client
}

/**
 * Begins a transaction in whose statements a table without a schema is in `schema`. In a load working tables come first; targets are named with their
 * schema there, for a temporary table that another client has left would be found first.
 *
 * @param temporary where temporary tables are looked for
 * @throws Connection.Unsettled
 */
export function beginLoader(
  client: pg.Client,
  { name }: Pick<ConnectionSettings, 'name'>,
  schema: string,
  temporary: 'first' | 'last',
  mode: SettledOptions['mode'] = 'READ COMMITTED READ WRITE',
): Promise<SettledTransaction> {
  const also = {
    search_path: `${quoteIdentifier(schema)}${temporary === 'last' ? ', pg_temp' : ''}`,
    client_min_messages: 'warning',
    // Compiling plans takes longer than the statements of a load.
    jit: 'off',
    work_mem: '64MB',
    // A policy that would hide rows of a target from the loader is an error, not fewer rows.
    row_security: 'off',
    // A loader that is gone is noticed while a statement runs, and its locks are given back.
    client_connection_check_interval: '5s',
  }
  return beginSettled(client, { connection: name, also, mode })
}

/**
 * Statements on a connection; parameters are values, and results are exact.
 *
 * @example await sqlRunner(client).all('SELECT $1 AS n', ['1'])
 */
export function sqlRunner(client: pg.Client): SqlRunner {
  const query = (text: string, params: readonly unknown[] = []): Promise<pg.QueryResult> =>
    // Without parameters a statement goes as it is, so that several may be sent at once.
    client.query(params.length === 0 ? { text, types } : { text, values: [...params], types })
  return {
    run: async (sql, params) => void (await query(sql, params)),
    all: async <T>(sql: string, params?: readonly unknown[]) => {
      const { rows, fields, rowCount } = await query(sql, params)
      return (fields.length === 0 && rowCount !== null ? [{ count: rowCount }] : rows) as T[]
    },
  }
}

/** Whether the whole transaction may succeed if it is begun again (WH-14). Two that make one table at once are told apart by the catalog's keys. */
export function isContended(error: unknown): boolean {
  const { schema } = (error ?? {}) as { schema?: unknown }
  const state = sqlState(error)
  return state === '40001' || state === '40P01' || (state === '23505' && schema === 'pg_catalog')
}

/** An error of a load, in the registry's words; what is one already stays. */
export function loadError(error: unknown, target: string, { user }: Pick<ConnectionSettings, 'user'>): unknown {
  if (isSluiceError(error)) return error
  const state = sqlState(error)
  if (isLost(error)) return sluiceError('Warehouse.ConnectionLost', { target, why: whyOf(error) }, { cause: error })
  if (state === undefined) return error
  const cause = { cause: error }
  if (state === '42501')
    return sluiceError('Warehouse.Forbidden', { what: `the load of "${target}"`, user, why: whyOf(error) }, cause)
  if (isContended(error) || state === '55P03')
    return sluiceError('Warehouse.Busy', { target, why: whyOf(error) }, cause)
  if (state === '23503') return sluiceError('Warehouse.ForeignKey', { target, why: whyOf(error) }, cause)
  return sluiceError('Warehouse.Refused', { target, code: state, why: whyOf(error) }, cause)
}

/** One line without a full stop. What the server adds beside its message may hold values of rows, and is left out. */
export function whyOf(error: unknown): string {
  const { message, column } = (error ?? {}) as Partial<SluiceError> & { column?: unknown }
  const line = String(message ?? error)
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/\.$/, '')
  return typeof column === 'string' ? `${line} (column "${column}")` : line
}
