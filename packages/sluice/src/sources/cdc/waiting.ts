/**
 * Tables whose changes wait: the log takes them, so that the server need not keep them, under a name that no table has and nobody reads.
 *
 * A person looks at what happened to the table (a column is gone, a type is another one, a TRUNCATE); accepted, what waited is added to the log again,
 * under the table's own name and at its own positions, and the tables made of the log go on where they stopped.
 */

import { sluiceError } from '../../base/errors.ts'
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
  return tables.map((table) => {
    const { name, code, message, hint } = sluiceError('Source.TableWaits', { table })
    return {
      input: { id: table, path: `${connection}: ${table}`, bytes: 0, decision: 'refuse' },
      error: { name, code, message, ...(hint === undefined ? {} : { hint }) },
    }
  })
}
