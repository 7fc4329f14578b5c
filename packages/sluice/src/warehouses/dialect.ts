/** What differs between warehouses in the SQL of a load. Everything else is written once, in `modes/` and `scd2/`. */

/** Runs statements inside the transaction of a load. */
export interface SqlRunner {
  /** Runs a statement; parameters are `$1`, `$2` … */
  run(sql: string, params?: readonly unknown[]): Promise<void>
  /** Rows, exact: wide numbers, dates and times as text. */
  all<T = Record<string, unknown>>(sql: string, params?: readonly unknown[]): Promise<T[]>
}

/** The SQL that is not the same everywhere. Expressions in, expressions out. */
export interface Dialect {
  readonly name: 'duckdb' | 'postgres' | 'redshift'
  /** The longest identifier, in bytes of UTF-8. */
  readonly maxIdentifierBytes: number
  /** A pseudo-column that finds a row again within the transaction, where there is one: cheaper than its key. */
  readonly rowAddress?: string
  /** The warehouse's type for an engine type. */
  columnType(engineType: string): string
  /** Whether two values differ, with NULL as a value. */
  differs(a: string, b: string): string
  /** An instant or a date as one text on every warehouse: microseconds since 1970. */
  instantText(expression: string): string
  /** A hash of a row's content, 64 bits. */
  rowHash(columns: readonly string[]): string
  /** An aggregate over the hashes of rows that identifies them all, in any order: exact sums. */
  fingerprint(rowHash: string): string
  /** The value when it is exactly of `type`, else NULL; raises nothing. */
  tryCast(expression: string, type: string): string
}
