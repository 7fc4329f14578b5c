/** What sources of procedures are given. */
import type { Clock } from '../../base/clock.ts'
import type { Lake } from '../../lake/lake.ts'
import type { Storage } from '../../storage/storage.ts'
import type { ConnectionPool } from './pool.ts'

/** What a source of procedures is given. */
export interface ProceduresContext {
  readonly clock: Clock
  readonly lake: Pick<Lake, 'current' | 'verify' | 'extraction' | 'writeExtraction'>
  readonly pool: ConnectionPool
  /** Result sets of the same call that other sources take. */
  readonly otherSets: ReadonlySet<number>
  /** This table and those of its pipeline whose source makes the same call, with their result sets. */
  readonly sameCall: readonly { readonly table: string; readonly resultSet: number }[]
  /** Where calls are kept that fill several tables. */
  readonly state: Storage
  /** How many rows the calls of the current version returned, for the guard; nothing where there was none. */
  readonly previousRows: readonly number[]
}
