/** What differs between warehouses in the SQL of a load. Everything else is written once, in `modes/` and `scd2/`. */

/** Runs statements inside the transaction of a load. */
export interface SqlRunner {
  /** Runs a statement; parameters are `$1`, `$2` … */
  run(sql: string, params?: readonly unknown[]): Promise<void>
  /** Rows, exact: wide numbers, dates and times as text. A statement that writes gives one row: how many it wrote. */
  all<T = Record<string, unknown>>(sql: string, params?: readonly unknown[]): Promise<T[]>
}

/** The SQL that is not the same everywhere. Expressions in, expressions out. */
export interface Dialect {
  readonly name: 'duckdb' | 'postgres' | 'redshift'
  /** The longest identifier, in bytes of UTF-8. */
  readonly maxIdentifierBytes: number
  /** Pseudo-columns that find a row again within the transaction, where there are any: cheaper than its key. */
  readonly rowAddress?: readonly string[]
  /** Said before and after a statement that finds most of its rows by that address, where the planner would rather read the whole table. */
  readonly byAddress?: { readonly before: string; readonly after: string }
  /** Whether counting a table's rows reads all of them: a plan does not, then. */
  readonly countsByScan: boolean
  /** What stands after CREATE TABLE for a table whose rows are changed in place, where it is worth something. */
  readonly roomForUpdates?: string
  /** The schema of Sluice's own tables, quoted. */
  readonly ownSchema: string
  /** The table of a target, quoted, and qualified where a session's settings or temporary tables could give its name another meaning. */
  table(target: string): string
  /** A working table as the only one of its name that is dropped; and what stands after its name where it is made. */
  readonly working: { readonly schema: string; readonly untilCommit: string }
  /**
   * The warehouse's type for an engine type.
   *
   * @throws Warehouse.TypeUnknown where no type of the warehouse holds all of its values
   */
  columnType(engineType: string): string
  /** The engine type that a column of `columnType(engineType)` is found as: it holds the same values, or more. */
  heldAs(engineType: string): string
  /** Whether two values differ, with NULL as a value. */
  differs(a: string, b: string): string
  /** An instant or a date as one text on every warehouse: microseconds since 1970. */
  instantText(expression: string): string
  /**
   * An order-free digest of rows, as an expression beside `count(*)`: another one after any row was written or removed by anybody else than the load.
   *
   * @param columns Quoted, all of the table's.
   * @param condition Which rows count.
   */
  rowDigest(columns: readonly string[], condition: string): string
  /** What digests written now are made by. */
  readonly digestMaker: string
  /** What digests are made by that may be compared with those of a row of `load_targets AS t`. */
  readonly digestsOf: string
  /** The statement that tells the warehouse's planner about a table just written, where it does not find out by itself. */
  statistics?(table: string): string
}
