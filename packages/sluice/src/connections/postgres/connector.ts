/** PostgreSQL as a `Connector`. */
import { systemClock } from '../../base/clock.ts'
import type { Connection, ConnectionSettings, Connector } from '../connection.ts'
import { callRoutine } from './call.ts'
import { connectPostgres, dropPostgres, packages } from './connect.ts'
import { copyRoutine } from './copy.ts'
import { describeRoutines } from './describe.ts'
import { maxNameBytes } from './names.ts'
import { runStatement } from './portal.ts'

/** What a PostgreSQL server can do: functions and procedures, with a bulk path for functions that return sets. */
export const postgresConnector: Connector = {
  kind: 'postgres',
  packages,
  defaultPort: 5432,
  maxNameLength: maxNameBytes,
  connect,
}

async function connect(settings: ConnectionSettings, signal: AbortSignal): Promise<Connection> {
  const client = await connectPostgres(settings, { signal, applicationName: 'sluice' })
  let isOpen = true
  client.once('end', () => {
    isOpen = false
  })
  const version = await runStatement(client, { text: 'SHOW server_version', types: [], values: [] })
  const session = { client, settings }
  const isUsable = (): boolean => isOpen && !client.connection.stream.destroyed
  const close = async (): Promise<void> => {
    if (!isUsable()) return
    // A server that no longer answers must not keep the process.
    const over = new AbortController()
    await Promise.race([client.end(), systemClock.sleep(1000, over.signal)])
    over.abort()
    dropPostgres(client)
  }
  return {
    server: `PostgreSQL ${version.rows[0]?.[0]}`,
    call: (call, sink, end) => callRoutine(session, call, sink, end),
    copy: (call, localFile, sink, end) => copyRoutine(session, call, localFile, sink, end),
    describe: (name) => describeRoutines(session, name),
    get isUsable() {
      return isUsable()
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
