/** MySQL and MariaDB as a {@link Connector}. */
import { sluiceError } from '../../base/errors.ts'
import type { Cell, Connection, ConnectionSettings, Connector } from '../connection.ts'
import { callProcedure } from './call.ts'
import { type Bound, openWire, packages, type Wire } from './connect.ts'
import { describeProcedures, select } from './describe.ts'
import { connectError } from './errors.ts'
import { maxNameLength, routineName } from './names.ts'

/**
 * Reaches MariaDB (from 10.5) and MySQL (from 8.0.17) by prepared calls only.
 *
 * @example await using connection = await mysqlConnector.connect(settings, signal)
 */
export const mysqlConnector: Connector = {
  kind: 'mysql',
  packages,
  defaultPort: 3306,
  maxNameLength,
  connect: async (settings, signal) => {
    const wire = await openWire(settings, signal)
    try {
      await fixSession(wire)
      await testDecoder(wire, settings)
    } catch (error) {
      wire.destroy()
      throw connectError(settings, error)
    }
    return connectionOf(wire, settings)
  },
}

/** What a value's text, or the meaning of a statement, could depend on (SR-14). The server waits a day for a slow reader, and not a minute. */
const session = `SET SESSION character_set_client = utf8mb4, character_set_connection = utf8mb4, character_set_results = utf8mb4,
 time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', autocommit = 1, net_write_timeout = 86400`

async function fixSession(wire: Wire): Promise<void> {
  await wire.execute(session, [], { fields: () => () => undefined })
}

/** Seconds that the server waits longer than we do: what it cuts short itself could look like a success. */
const patience = 5

/**
 * A call that nobody waits for any more ends at the server, too, where it has a limit for that: https://mariadb.com/kb/en/aborting-statements/.
 * MySQL has one for SELECT alone.
 */
async function limitCall(wire: Wire, timeoutMs: number): Promise<void> {
  if (!isMariaDb(wire)) return
  const seconds = Math.ceil(timeoutMs / 1000) + patience
  await wire.execute(`SET SESSION max_statement_time = ${seconds}`, [], { fields: () => () => undefined })
}

const isMariaDb = ({ server }: Wire): boolean => /mariadb/i.test(server)

const selfTest: readonly (readonly [expression: string, value: Bound, text: Cell])[] = [
  ['CAST(? AS DECIMAL(38,18))', '-12345678901234567890.123456789012345678', '-12345678901234567890.123456789012345678'],
  ['CAST(? AS UNSIGNED)', '18446744073709551615', '18446744073709551615'],
  ['CAST(? AS SIGNED)', '-9223372036854775808', '-9223372036854775808'],
  ['CAST(? AS DATETIME(6))', '2024-02-29 23:59:59.999999', '2024-02-29 23:59:59.999999'],
  ['CAST(? AS TIME(6))', '-838:59:58.000001', '-838:59:58.000001'],
  ['CAST(? AS FLOAT)', '1.2345679', '1.2345679'],
  ['CAST(? AS DOUBLE)', '0.1', '0.1'],
  ['CAST(? AS CHAR)', 'é𝄞`"', 'é𝄞`"'],
  ['CAST(? AS BINARY)', Buffer.from('00ff', 'hex'), '00ff'],
  ['CAST(? AS CHAR)', null, null],
]

/** Sends hard values there and back: the way in and the way out stand on the inside of the driver. */
async function testDecoder(wire: Wire, settings: ConnectionSettings): Promise<void> {
  const changed = (why: string, cause?: unknown) =>
    sluiceError(
      'Connection.DriverChanged',
      { package: 'mysql2', found: 'as installed', expected: packages.mysql2, why },
      { cause },
    )
  const statement = `SELECT ${selfTest.map(([expression]) => expression).join(', ')}`
  const values = selfTest.map(([, value]) => value)
  const [row = []] = await select(wire, settings.name, statement, values).catch((cause: unknown) => {
    throw (cause as { sqlState?: string }).sqlState === undefined ? changed(String(cause), cause) : cause
  })
  for (const [index, [expression, , text]] of selfTest.entries())
    if (row[index] !== text) throw changed(`${expression} came back as ${row[index]}, not as ${text}`)
}

function connectionOf(wire: Wire, settings: ConnectionSettings): Connection {
  let wasCalled = false
  const close = async (): Promise<void> => {
    if (wire.isOpen) await wire.close()
  }
  return {
    server: isMariaDb(wire) ? `MariaDB ${wire.server}` : `MySQL ${wire.server}`,
    get isUsable() {
      return wire.isOpen
    },
    call: (call, sink, signal) => {
      const isFirst = !wasCalled
      wasCalled = true
      return callProcedure(wire, settings, call, sink, signal, async () => {
        if (!isFirst) {
          // Whatever the procedure before has left behind.
          await wire.reset()
          await fixSession(wire)
        }
        await limitCall(wire, call.timeoutMs)
      })
    },
    describe: async (name) =>
      describeProcedures(wire, settings.name, name === undefined ? undefined : routineName(name)),
    close,
    [Symbol.asyncDispose]: close,
  }
}
