/** Builders of connections to database servers. */
import type { ConnectionInput, ConnectionOptions, SqlServerOptions } from '../input.ts'

/** A connection to one kind of server. */
export type ConnectionOf<Kind extends ConnectionInput['kind']> = (Kind extends 'sqlserver'
  ? SqlServerOptions
  : ConnectionOptions) & { readonly kind: Kind }

/**
 * A SQL Server, from 2012 on.
 *
 * @example sqlServer({ host: 'erp.example.com', database: 'erp', user: 'sluice', password: secret('ERP_PASSWORD') })
 */
export function sqlServer(options: SqlServerOptions): ConnectionOf<'sqlserver'> {
  return { kind: 'sqlserver', ...options }
}

/**
 * A PostgreSQL server.
 *
 * @example postgres({ host: 'db.example.com', database: 'shop', user: 'sluice', password: secret('SHOP_PASSWORD'), ca: 'certs/db.pem' })
 */
export function postgres(options: ConnectionOptions): ConnectionOf<'postgres'> {
  return { kind: 'postgres', ...options }
}

/**
 * A MySQL or MariaDB server.
 *
 * @example mysql({ host: 'db.example.com', database: 'shop', user: 'sluice', password: secret('SHOP_PASSWORD'), maxConnections: 2 })
 */
export function mysql(options: ConnectionOptions): ConnectionOf<'mysql'> {
  return { kind: 'mysql', ...options }
}
