/** What a user writes of columns and checks, in full; a part of `types.ts`. */

/** A reference to a secret; the value is read when it is used, and never stored. */
export interface SecretReference {
  readonly $secret: string
}

/** A reference to an environment variable. */
export interface EnvReference {
  readonly $env: string
  readonly default?: string
}

/** Text, or a reference to where it is kept. */
export type TextOrReference = string | SecretReference | EnvReference

/** The simple column types. `integer` is 32 bits, `bigint` 64, `smallint` 16, `tinyint` 8; `float` is a 64-bit double, `real` 32. */
export type SimpleType =
  | 'text'
  | 'tinyint'
  | 'smallint'
  | 'integer'
  | 'bigint'
  | 'real'
  | 'float'
  | 'boolean'
  | 'date'
  | 'timestamp'
  | 'timestamptz'
  | 'time'
  | 'json'
  | 'binary'
  | 'uuid'

/** A column type: a simple one, or `decimal(p,s)` with 1 ≤ p ≤ 38 and 0 ≤ s ≤ p. */
export type ColumnType = SimpleType | `decimal(${number},${number})`

/** A column of a source, in full. */
export interface Column {
  readonly type: ColumnType
  /** Whether NULL is a legal value; a missing value in any other column refuses the row. @default false */
  readonly nullable?: boolean
  /** The column's name in the file, where it differs. @default the column's own name */
  readonly from?: string
  /** Files: other names that the column has in some of them. A file with two of its names is refused. */
  readonly aliases?: readonly string[]
  /** Files: some lack the column, and it is NULL there; it must be nullable. @default false */
  readonly optional?: boolean
  /** Which texts mean NULL, exactly as written. @default the empty, unquoted field */
  readonly nulls?: readonly string[]
  /**
   * Dates and times: the accepted pattern, in Unicode letters (`M/d/yyyy H:mm`), or several. A text that two of them read as different times is
   * refused. @default ISO 8601
   */
  readonly format?: string | readonly string[]
  /** Timestamps: the IANA zone that the text is written in. Needed to turn local text into `timestamptz`. */
  readonly zone?: string
  /** What to do with a local time that a zone has twice. @default 'reject' */
  readonly overlap?: 'reject' | 'earlier' | 'later'
  /** Times and timestamps in ISO 8601 or Parquet: digits of a second beyond the sixth refuse the row, or are cut. @default 'reject' */
  readonly fraction?: 'reject' | 'truncate'
  /** Booleans: the accepted texts. @default true/false */
  readonly trueValues?: readonly string[]
  readonly falseValues?: readonly string[]
  /** Numbers: the declared decimal and grouping characters. @default '.' and none */
  readonly decimalSeparator?: string
  readonly groupSeparator?: string
  /** Removes white space around the text before anything else. @default false */
  readonly trim?: boolean
  /** Binary: how the bytes are written. @default 'hex' */
  readonly encoding?: 'hex' | 'base64'
  /** Procedures: the type as the server declares it (`datetime2(7)`); compared with what arrives, where given. */
  readonly serverType?: string
  readonly description?: string
}

/** How bad a failed check is. */
export type Severity = 'warn' | 'error'

/** What a failed check does: keep the rows apart, or stop the table. */
export type CheckAction = 'quarantine' | 'stop'

/** What every check may carry. */
export interface CheckOptions {
  /** @default a name made from the kind and the column */
  readonly name?: string
  /** @default 'error' */
  readonly severity?: Severity
  /** @default 'quarantine' for rows of a source and of changes, 'stop' elsewhere */
  readonly action?: CheckAction
  /** Tolerated failing rows, as a share (0 to 1) or a count; at or below it the check passes. */
  readonly maxShare?: number
  readonly maxCount?: number
}

/**
 * One check, as data. `notNull` … `format` and `row` look at one row; the others at a whole table.
 *
 * In a source the table is what one run takes: `unique` finds keys that come twice in one file, and only `reconcile` counts earlier rows, too. For
 * keys over all files, check the grain of the model that reads the source.
 *
 * @typeParam C the columns that it may name
 */
export type Check<C extends string = string> = CheckOptions &
  (
    | { readonly kind: 'notNull'; readonly column: C }
    | { readonly kind: 'unique'; readonly columns: readonly C[] }
    | {
        readonly kind: 'range'
        readonly column: C
        readonly min?: number | string
        readonly max?: number | string
      }
    | { readonly kind: 'length'; readonly column: C; readonly min?: number; readonly max?: number }
    | { readonly kind: 'pattern'; readonly column: C; readonly pattern: string }
    | { readonly kind: 'oneOf'; readonly column: C; readonly values: readonly (string | number)[] }
    | {
        readonly kind: 'format'
        readonly column: C
        readonly format: 'email' | 'url' | 'uuid' | 'ipv4' | 'date' | 'digits'
      }
    | { readonly kind: 'row'; readonly sql: string }
    | { readonly kind: 'rowCount'; readonly min?: number; readonly max?: number }
    | { readonly kind: 'freshness'; readonly column: C; readonly maxAgeHours: number }
    | { readonly kind: 'grain'; readonly columns: readonly C[] }
    | {
        readonly kind: 'reference'
        readonly columns: readonly C[]
        readonly to: string
        readonly toColumns: readonly string[]
      }
    | { readonly kind: 'reconcile'; readonly sql: string; readonly with: string; readonly tolerance?: number | string }
    | { readonly kind: 'sum'; readonly column: C; readonly min?: number | string; readonly max?: number | string }
  )

/** When quarantined rows are too many: beyond either limit the whole file is refused; of a table of changes, no version is made. */
export interface QuarantineLimits {
  /** @default 0.01 */
  readonly maxShare?: number
  /** The share is of at least so many rows, so that one bad row of three is not too many of them. @default 1; 100 of a table of changes, which come by the handful */
  readonly minRows?: number
  /** @default 1000; ignored where only `maxShare` is given */
  readonly maxRows?: number
}
