/** SQL Server, as a connector. */
import type { Connector } from '../connection.ts'
import { callProcedure } from './call.ts'
import { openConnection, packages } from './connect.ts'
import { describeProcedures } from './describe.ts'
import { checkLengths } from './lengths.ts'
import { maxNameLength } from './names.ts'
import { resetSession } from './session.ts'

/**
 * Reaches SQL Server and what speaks TDS 7.4, by remote procedure calls only.
 *
 * @example await using connection = await sqlServerConnector.connect(settings, signal)
 */
export const sqlServerConnector: Connector = {
  kind: 'sqlserver',
  packages,
  defaultPort: 1433,
  maxNameLength,
  async connect(settings, signal) {
    const open = await openConnection(settings, signal)
    const close = async () => open.drop()
    let isFresh = true
    return {
      server: open.server,
      async call(call, sink, end) {
        if (!isFresh) await resetSession(open, call, end)
        isFresh = false
        await checkLengths(open, call, end)
        return await callProcedure(open, call, sink, end)
      },
      describe: (name) => describeProcedures(open, name),
      get isUsable() {
        return open.isUsable
      },
      close,
      [Symbol.asyncDispose]: close,
    }
  },
}
