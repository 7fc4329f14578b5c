/** Sessions that read a server's tables and its catalog. */
import type pg from 'pg'
import { sluiceError } from '../../base/errors.ts'
import type { ConnectionSettings } from '../../connections/connection.ts'
import { connectPostgres, dropPostgres, isPooled } from '../../connections/postgres/connect.ts'

/**
 * Opens a session for reading. Where row-level security would hide rows, the server raises an error instead: a copy has all rows or fails.
 *
 * @example const client = await readingClient(settings, signal)
 * @throws Connection.*, Connection.Pooled
 */
export async function readingClient(settings: ConnectionSettings, signal: AbortSignal): Promise<pg.Client> {
  const client = await connectPostgres(settings, { signal, applicationName: 'sluice' })
  try {
    if (isPooled(client))
      throw sluiceError('Connection.Pooled', {
        connection: settings.name,
        what: 'changes are read in sessions that last',
      })
    await client.query('SET row_security = off')
    return client
  } catch (error) {
    dropPostgres(client)
    throw error
  }
}
