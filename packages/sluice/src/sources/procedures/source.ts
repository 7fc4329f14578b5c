/** Sources of stored procedures, on any server that `connections/` reaches. */
import type { Clock } from '../../base/clock.ts'
import { digest } from '../../base/json.ts'
import type { ProcedureSource } from '../../definition/types.ts'
import type { Lake } from '../../lake/lake.ts'
import type { SourceAdapter } from '../source.ts'
import type { Attempt } from './extraction.ts'
import type { ConnectionPool } from './pool.ts'

/** What a source of procedures is given. */
export interface ProceduresContext {
  readonly clock: Clock
  readonly lake: Pick<Lake, 'current' | 'verify' | 'extraction' | 'writeExtraction'>
  readonly pool: ConnectionPool
  /** Result sets of the same call that other sources take. */
  readonly otherSets: ReadonlySet<number>
  /** How many rows the calls of the current version returned, for the guard; nothing where there was none. */
  readonly previousRows: readonly number[]
}

/**
 * Opens a source of a procedure; nothing is connected yet.
 *
 * @example
 * const source = procedureSource('raw.customers', definition, context)
 * const { candidate } = await source.take(await source.discover(new Map()), take)
 * @param table the table's full name
 */
export function procedureSource(table: string, source: ProcedureSource, context: ProceduresContext): SourceAdapter {
  let attempt: Attempt | undefined
  return {
    async discover() {
      const { connection, procedure, resultSet } = source
      return [
        {
          id: digest({ connection, procedure, resultSet }),
          path: `${connection}: ${procedure}`,
          bytes: 0,
          decision: 'take',
        },
      ]
    },
    // What calls is imported when there is something to call.
    async take(_inputs, take) {
      const [{ takeCalls }, { openAttempt }] = await Promise.all([import('./take.ts'), import('./extraction.ts')])
      attempt = await openAttempt(table, source, context, take)
      const { frozen } = attempt
      return { candidate: await takeCalls({ source, context, take, frozen, attempt }), refused: [] }
    },
    async settle(outcome) {
      await attempt?.settle(outcome)
    },
    // A procedure is asked, and has nothing to put away.
    async acknowledge() {},
  }
}
