/** What a load needs of the warehouse it runs in. */
import type { Clock } from '../base/clock.ts'
import type { Dialect, SqlRunner } from './dialect.ts'
import type { FoundColumn } from './drift.ts'
import type { ForeignKey } from './foreign-keys.ts'
import type { Staging } from './staging.ts'

/** A warehouse, inside the transaction of a load. */
export interface LoadSetting {
  readonly sql: SqlRunner
  readonly dialect: Dialect
  readonly staging: Staging
  readonly clock: Clock
  /** The columns of a table, in order; empty where there is no such table. */
  readonly columnsOf: (table: string) => Promise<readonly FoundColumn[]>
  /** What a name stands for: `table`, `view` …; undefined where there is nothing of that name. */
  readonly kindOf: (table: string) => Promise<string | undefined>
  /** What of the warehouse's own may change or swallow rows of a table that are written, in words: triggers, rules. */
  readonly meddlersOf: (table: string) => Promise<readonly string[]>
  /** What of the warehouse's own forbids that the types of these columns are changed, in words: views, indexes. */
  readonly blockersOf: (table: string, columns: readonly string[]) => Promise<readonly string[]>
  /** All foreign keys of the warehouse, and where a target is: schema and name, joined by a point. */
  readonly foreignKeys: () => Promise<readonly ForeignKey[]>
  readonly placeOf: (target: string) => string
  /** Makes a schema where it is missing; `sluice` is the one of Sluice's own tables. */
  readonly makeSchema: (name: string) => Promise<void>
  /** Where the warehouse has indexes: makes those that are missing, by table (quoted) and columns. */
  readonly index?: (table: string, columns: readonly string[]) => Promise<void>
  /** Where it takes something: makes a table ready to be written, once in a transaction. */
  readonly ready?: (table: string) => Promise<void>
  /** Where the warehouse puts something off until the COMMIT: lets it happen now, so that it can be counted. */
  readonly settle?: () => Promise<void>
}
