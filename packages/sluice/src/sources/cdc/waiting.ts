/**
 * Tables whose changes wait: the log takes them, so that the server need not keep them, under a name that no table has and nobody reads.
 *
 * A person looks at what happened to the table (a column is gone, a type is another one, a TRUNCATE); accepted, what waited is added to the log again,
 * under the table's own name and at its own positions, and the tables made of the log go on where they stopped.
 */

import { type SluiceError, sluiceError } from '../../base/errors.ts'
import type { RefusedInput } from '../source.ts'

/**
 * The name under which a table's changes wait.
 *
 * @example waitingName('public.orders') // 'public.orders.waiting'
 */
export function waitingName(table: string): string {
  // A table's name has one dot that is not quoted.
  return `${table}.waiting`
}

/**
 * What a run tells of tables that wait, each time: the others go on, and nobody should take these for being up to date.
 *
 * @example waitingTables('erp', ['public.orders'])
 */
export function waitingTables(connection: string, tables: readonly string[]): readonly RefusedInput[] {
  return tables.map((table) => refusedTable(connection, table, sluiceError('Source.TableWaits', { table })))
}

/**
 * A table that is not read as it stands, while the others go on.
 *
 * @example refusedTable('erp', 'public.orders', sluiceError('Source.TableMissing', { table, connection }))
 */
export function refusedTable(connection: string, table: string, error: SluiceError): RefusedInput {
  const { name, code, message, hint } = error
  return {
    input: { id: table, path: `${connection}: ${table}`, bytes: 0, decision: 'refuse' },
    error: { name, code, message, ...(hint === undefined ? {} : { hint }) },
  }
}
