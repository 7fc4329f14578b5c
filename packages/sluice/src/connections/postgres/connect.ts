/**
 * Opens connections: the only file that knows the driver's options.
 *
 * The driver would read the environment (`PGOPTIONS`, `PGSSLMODE`, …), shift times into the process's zone and turn numbers into doubles. Here
 * everything is said explicitly, and every value stays the text that the server wrote.
 */
import { type ConnectionOptions, checkServerIdentity } from 'node:tls'
import type pg from 'pg'
import { sluiceError } from '../../base/errors.ts'
import type { ConnectionSettings } from '../connection.ts'
import { connectError } from './errors.ts'

/** The npm packages that are needed, with the versions that this code is tested with. */
export const packages = { pg: '8.23.1', 'pg-copy-streams': '7.0.0' } as const

/** Fixed for each session or transaction, so that a value's text depends on nothing but the value (SR-14), and no limit of others ends a statement. */
export const fixedSettings: Readonly<Record<string, string>> = {
  client_encoding: 'UTF8',
  client_min_messages: 'notice',
  standard_conforming_strings: 'on',
  TimeZone: 'UTC',
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  extra_float_digits: '3',
  bytea_output: 'hex',
  // The C locale writes money with a point and two digits.
  lc_monetary: 'C',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
}

const sessionSql = (fixed: Readonly<Record<string, string>>): string =>
  Object.entries(fixed)
    .map(([name, value]) => `SET ${name} TO '${value}'`)
    .join('; ')

/** How a connection is opened. */
export interface ConnectOptions {
  /** Ends the attempt; once the connection is open it has no more effect. */
  readonly signal?: AbortSignal
  /** A walsender on the database, for logical replication. @default false */
  readonly replication?: boolean
  /** What `pg_stat_activity` shows. */
  readonly applicationName: string
}

/** Clients whose server sessions are lent by a pooler. */
const pooled = new WeakSet<pg.Client>()

/**
 * Whether a pooler stands between: each transaction may then run in another session of the server, with the settings that another client left there.
 * It is known by the process that was named at the login, which is not the one that answers.
 *
 * @example if (isPooled(client)) await beginSettled(client, { connection })
 */
export function isPooled(client: pg.Client): boolean {
  return pooled.has(client)
}

/**
 * Opens a connection whose every value is text, with the session's settings fixed, except behind a pooler: see {@link isPooled}. Who opens it ends it.
 *
 * A connection that is lost later makes the running query reject, and the client emit `end`; it never raises an unhandled `error`.
 *
 * @example const client = await connectPostgres(settings, { signal, applicationName: 'sluice' })
 * @throws Connection.DriverMissing, Connection.DriverChanged, Connection.LoginFailed, Connection.Tls, Connection.Unreachable (transient)
 */
export async function connectPostgres(settings: ConnectionSettings, options: ConnectOptions): Promise<pg.Client> {
  const { Client } = await loadDriver(settings.name)
  const client = new Client({
    host: settings.host,
    port: settings.port,
    user: settings.user,
    database: settings.database,
    // As a function: the driver takes an empty text for "look into the environment".
    password: () => settings.password,
    ssl: tlsOptions(settings),
    sslnegotiation: 'postgres',
    connectionTimeoutMillis: settings.connectTimeoutSeconds * 1000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 30_000,
    application_name: options.applicationName,
    types: { getTypeParser: () => asText },
  })
  const { connectionParameters } = client as unknown as { connectionParameters: Record<string, unknown> }
  Object.assign(connectionParameters, { options: '', replication: options.replication ? 'database' : '' })
  testDecoder(client)
  // Whoever waits for an answer is told by its query; without a listener the process would end.
  client.on('error', () => undefined)

  const abort = (): void => void client.connection.stream.destroy(new Error('the attempt was cancelled'))
  options.signal?.addEventListener('abort', abort)
  try {
    options.signal?.throwIfAborted()
    await client.connect()
    if (!options.replication) await notePooler(client)
    // Behind a pooler they would be made in a session that is somebody else's a moment later.
    if (!isPooled(client)) await client.query(sessionSql(fixedSettings))
    return client
  } catch (error) {
    dropPostgres(client)
    throw connectError(error, settings)
  } finally {
    options.signal?.removeEventListener('abort', abort)
  }
}

async function notePooler(client: pg.Client): Promise<void> {
  const { rows } = await client.query('SELECT pg_catalog.pg_backend_pid() AS pid')
  if (Number(rows[0]?.pid) !== (client as pg.Client & { readonly processID: number }).processID) pooled.add(client)
}

/**
 * Makes the session as it was when it was opened, whatever a call before has set, locked or left in temporary tables.
 *
 * @param timeoutMs the server's own limit for one statement
 * @example await freshSession(client, 60_000)
 */
export async function freshSession(client: pg.Client, timeoutMs: number): Promise<void> {
  await client.query('DISCARD ALL')
  await client.query(sessionSql({ ...fixedSettings, statement_timeout: String(Math.round(timeoutMs)) }))
  // Ends what the server does for a connection that was dropped, within a second. Servers before 14, and some systems, cannot look.
  const watch = `SELECT set_config(name, '1000', false) FROM pg_settings WHERE name = 'client_connection_check_interval'`
  await client.query(watch).catch(() => undefined)
}

/**
 * Drops a connection at once, without a word to the server; a running query rejects.
 *
 * @example dropPostgres(client)
 */
export function dropPostgres(client: pg.Client): void {
  client.connection.stream.destroy()
}

/** `verified` checks the chain and the name; the name is `serverName` where the certificate does not have the host's. */
function tlsOptions(settings: ConnectionSettings): ConnectionOptions | false {
  if (settings.tls === 'off') return false
  if (settings.tls === 'unverified') return { rejectUnauthorized: false }
  const name = settings.serverName ?? settings.host
  return {
    rejectUnauthorized: true,
    ...(settings.ca === undefined ? {} : { ca: settings.ca }),
    ...(settings.serverName === undefined ? {} : { servername: settings.serverName }),
    // The driver sends the host as the name wanted, whatever is said here, and Node would compare with that.
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
  }
}

function loadDriver(connection: string): Promise<typeof pg> {
  return load(connection, async () => (await import('pg')).default)
}

/**
 * The driver's part for `COPY`, loaded where it is used.
 *
 * @example const { to } = await loadCopyStreams(settings.name)
 * @throws Connection.DriverMissing
 */
export function loadCopyStreams(connection: string): Promise<typeof import('pg-copy-streams')> {
  return load(connection, async () => (await import('pg-copy-streams')).default)
}

async function load<T>(connection: string, module: () => Promise<T>): Promise<T> {
  try {
    return await module()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    const needed = Object.entries(packages).map(([name, version]) => `${name}@${version}`)
    throw sluiceError('Connection.DriverMissing', { connection, packages: needed }, { cause: error })
  }
}

const asText = (value: string): string => value

/** SR-06: bool, bytea, bigint, json, float, date, timestamps, numeric, int[] come out as they came in. */
function testDecoder(client: pg.Client): void {
  for (const oid of [16, 17, 20, 114, 700, 1082, 1114, 1184, 1700, 1007]) {
    if (client.getTypeParser(oid, 'text')('1.10') !== '1.10') {
      const why = `the type ${oid} is not left as text`
      throw sluiceError('Connection.DriverChanged', {
        package: 'pg',
        found: 'as installed',
        expected: packages.pg,
        why,
      })
    }
  }
}
