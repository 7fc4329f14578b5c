/**
 * Transactions with settings that are known.
 *
 * A pooler in transaction mode lends a session of the server for each transaction, with whatever the client before has set there: another search
 * path, another role, another spelling of dates. What is set outside of a transaction is set for somebody else. So every setting that a transaction
 * depends on is made inside it, for it alone, and read back. https://www.pgbouncer.org/features.html
 */
import type pg from 'pg'
import { sluiceError } from '../../base/errors.ts'
import { fixedSettings } from './connect.ts'

/** How a transaction begins. */
export interface SettledOptions {
  /** The connection's name, for the error. */
  readonly connection: string
  /** Settings beside those of every connection, as the server spells their values, or in its own units. */
  readonly also?: Readonly<Record<string, string>>
  /** @default 'READ COMMITTED READ WRITE' */
  readonly mode?: 'READ COMMITTED READ WRITE' | 'REPEATABLE READ READ ONLY'
}

/** By what a transaction is found in `pg_stat_activity`. */
export interface SettledTransaction {
  readonly pid: string
  readonly began: string
}

/** Of the transaction itself, not to be changed in it, or fixed by us before anything else. */
const untouched = `('transaction_isolation', 'transaction_read_only', 'transaction_deferrable', 'temp_buffers', 'client_encoding')`
/** What a client has set for a whole session. */
const leftBehind = `source = 'session' AND context IN ('user', 'superuser') AND name NOT IN ${untouched} AND setting IS DISTINCT FROM reset_val`

/**
 * Begins a transaction whose settings are the login's own and ours, whatever the session was left with; the caller ends it.
 *
 * @example const { pid } = await beginSettled(client, { connection: settings.name, also: { search_path: '"mart"' } })
 * @throws Connection.Unsettled where a setting does not become what it must be
 */
export async function beginSettled(client: pg.Client, options: SettledOptions): Promise<SettledTransaction> {
  const { connection, also = {}, mode = 'READ COMMITTED READ WRITE' } = options
  const settings = { ...fixedSettings, ...also }
  // Names are looked for in the catalog alone until the search path is ours; nothing here is quoted, so that no setting reads it otherwise.
  await client.query(
    `BEGIN ISOLATION LEVEL ${mode} NOT DEFERRABLE; SET LOCAL session_authorization TO DEFAULT; SET LOCAL role TO DEFAULT;
     SET LOCAL search_path TO pg_catalog; SET LOCAL statement_timeout TO 0; SET LOCAL idle_in_transaction_session_timeout TO 0`,
  )
  await client.query(
    `SELECT pg_catalog.set_config(name, reset_val, true) FROM pg_catalog.pg_settings WHERE ${leftBehind}`,
  )
  const values = [Object.keys(settings), Object.values(settings)]
  await client.query(
    `SELECT pg_catalog.set_config(n, v, true) FROM unnest($1::text[], $2::text[]) AS s(n, v)
     WHERE pg_catalog.current_setting(n, true) IS NOT NULL`,
    values,
  )
  const { rows } = await client.query(
    `SELECT pg_catalog.pg_backend_pid() AS pid, pg_catalog.now() AS began,
       (SELECT pg_catalog.string_agg(name || ' = ' || setting, ', ' ORDER BY name)
        FROM pg_catalog.pg_settings LEFT JOIN unnest($1::text[], $2::text[]) AS s(n, v) ON n = name
        WHERE CASE WHEN n IS NULL THEN ${leftBehind} ELSE pg_catalog.current_setting(name) <> v AND setting <> v END) AS others`,
    values,
  )
  const { pid, began, others } = rows[0] as { pid: unknown; began: string; others: string | null }
  if (others !== null) throw sluiceError('Connection.Unsettled', { connection, settings: others })
  return { pid: String(pid), began }
}
