/**
 * What a user writes, as plain data: the builders return these shapes, JSON and YAML files hold them, zod checks them.
 *
 * Terminology: a **project** is a `sluice.config.ts` and its pipelines; a **pipeline** has **sources** (which land in its first layer),
 * **models** (SQL files or functions that make a **table** of a later layer), **checks**, and **loads** into the **warehouse**.
 * A table's full name is `<layer>.<table>` and is unique in a project.
 */

import type { CdcSource, ChangesModel, Lookup } from './cdc/types.ts'
import type { ConnectionConfig, ProcedureSource } from './procedures/types.ts'

export type * from './cdc/types.ts'
export type * from './procedures/types.ts'

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
  /** Which texts mean NULL, exactly as written. @default the empty, unquoted field */
  readonly nulls?: readonly string[]
  /** Dates and times: the one accepted pattern, in Unicode letters (`M/d/yyyy H:mm`). @default ISO 8601 */
  readonly format?: string
  /** Timestamps: the IANA zone that the text is written in. Needed to turn local text into `timestamptz`. */
  readonly zone?: string
  /** What to do with a local time that a zone has twice. @default 'reject' */
  readonly overlap?: 'reject' | 'earlier' | 'later'
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

/** How the CSV files of a source are written. Nothing is ever guessed from the data. */
export interface CsvFormat {
  readonly kind: 'csv'
  /** One or more characters. @default ',' */
  readonly delimiter?: string
  /** One character, or '' for none. @default '"' */
  readonly quote?: string
  /** @default the quote (doubled quotes) */
  readonly escape?: string
  /** What ends a record. @default LF, CRLF or CR, as the header line shows */
  readonly recordEnd?: string
  /** Whether the first record names the columns. @default true */
  readonly header?: boolean
  /** @default 'utf-8' */
  readonly encoding?: 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252' | 'latin1' | 'windows-1254' | 'iso-8859-9'
  /** Rows with too few or too many fields. @default 'reject' */
  readonly ragged?: 'reject' | 'pad'
  /** Columns of the file that the contract does not have. @default 'reject' */
  readonly extraColumns?: 'reject' | 'ignore'
  /** @default by the name's ending `.gz` */
  readonly compression?: 'none' | 'gzip'
}

/** JSON Lines: one object a line. */
export interface JsonLinesFormat {
  readonly kind: 'jsonl'
  readonly extraColumns?: 'reject' | 'ignore'
  readonly compression?: 'none' | 'gzip'
}

/** Parquet: types must be those of the contract, or widen to them without loss. */
export interface ParquetFormat {
  readonly kind: 'parquet'
  readonly extraColumns?: 'reject' | 'ignore'
}

export type FileFormat = CsvFormat | JsonLinesFormat | ParquetFormat

/** A source of files. */
export interface FilesSource {
  readonly kind: 'files'
  /** A path below the project, with `*` and `?` in its last part and `**` for folders: `inbox/sales_*.csv`. */
  readonly path: string
  readonly columns: { readonly [column: string]: Column }
  /** @default by the path's ending: .csv, .jsonl/.ndjson, .parquet */
  readonly format: FileFormat
  /** `append`: the table is all files so far; `replace`: the table is the newest delivery alone. @default 'append' */
  readonly mode: 'append' | 'replace'
  /** The business date in the file's name: a pattern like `yyyy-MM-dd`; lands in `_file_date` and orders files. */
  readonly fileDate?: string
  /** Adds `_row`, the record's number in its file. Files are then read in order, on one core. @default false */
  readonly rowNumbers?: boolean
  readonly checks: readonly Check[]
  readonly quarantine: QuarantineLimits
  /** The same content under another name. @default 'skip' */
  readonly duplicateContent: 'skip' | 'error' | 'append'
  /** The same name with other content, after the first was committed: its rows are added, or the file is refused. @default 'append' */
  readonly changedContent: 'append' | 'error'
  /** A key inside a file: rows that share it are all refused, or the last by a column wins and the others are refused. */
  readonly key?: { readonly columns: readonly string[]; readonly keep: 'none' | { readonly lastBy: string } }
  /** Compares a file's row count with the mean of the earlier files: outside the factors, the file is refused. */
  readonly rowCount?: {
    readonly min?: number
    readonly max?: number
    readonly minShareOfPrevious?: number
    readonly maxShareOfPrevious?: number
  }
  /** Where committed files go. @default 'archive/<table>' beside the inbox; false leaves them where they are */
  readonly archive: string | false
  /** Where refused files go, each with a report beside it. @default 'error/<table>' */
  readonly error: string
  /** How a file shows that it is complete: unchanged for so many seconds, or a marker file `<name>.done`. @default { stableSeconds: 0 } */
  readonly ready?: { readonly stableSeconds?: number; readonly marker?: string }
  /** Limits on one file against bombs and runaway records. */
  readonly limits?: {
    readonly maxBytes?: number
    readonly maxRatio?: number
    readonly maxRecordBytes?: number
    readonly maxFieldBytes?: number
  }
  readonly description?: string
}

/** A source of any kind; later kinds join this union. */
export type Source = FilesSource | ProcedureSource | CdcSource

/** How a table's data files are split: by a column's value, or by the year and month of a date. */
export type PartitionBy =
  | { readonly kind: 'value'; readonly column: string }
  | { readonly kind: 'yearMonth'; readonly column: string }

/** What is declared of a table beside its model. */
export interface TableOptions {
  /** Copies the latest version of another table, `<layer>.<table>`: the table then has no model of its own. */
  readonly copy?: string
  /** Makes the table of changes: it then has no model of its own. */
  readonly changes?: Omit<ChangesModel, 'kind'>
  readonly partitionBy?: PartitionBy
  readonly checks?: readonly Check[]
  readonly description?: string
  /** Declared drops: a model that filters or deduplicates says so, and its rows are accounted: input rows = output + dropped. */
  readonly drops?: { readonly from: string; readonly why: string }
  /** How many versions are kept, and for how long, whichever keeps more. @default the lake's */
  readonly retention?: Retention
  /** Seconds before the table's task is stopped. @default 3600 */
  readonly timeoutSeconds?: number
}

export interface Retention {
  readonly versions?: number
  readonly days?: number
}

/** How a warehouse table is written. */
export type LoadMode = 'replace' | 'incremental' | 'append' | 'upsert' | 'scd2'

interface LoadBase {
  /** The lake table that is loaded: `<layer>.<table>`. */
  readonly from: string
  /** Hints that some warehouses use: distribution and sorting. */
  readonly distribute?: string
  readonly sort?: readonly string[]
  readonly description?: string
  readonly timeoutSeconds?: number
}

/** What a load may look up; a dimension's own load looks up nothing. */
interface LookingUp {
  /** Surrogate keys of dimensions, by the column that takes them. */
  readonly lookups?: { readonly [column: string]: Lookup }
}

/** The names of SCD2's own columns. */
export interface Scd2Columns {
  readonly effective: string
  readonly expiry: string
  readonly current: string
  readonly surrogate: string
}

export type Load =
  | (LoadBase & LookingUp & { readonly mode: 'replace' })
  | (LoadBase & LookingUp & { readonly mode: 'incremental'; readonly by: string })
  | (LoadBase & LookingUp & { readonly mode: 'append'; readonly batch?: string })
  | (LoadBase &
      LookingUp & {
        readonly mode: 'upsert'
        readonly key: readonly string[]
        readonly deletes?: 'absence' | { readonly column: string; readonly value: string }
      })
  | (LoadBase & {
      readonly mode: 'scd2'
      readonly key: readonly string[]
      /** The columns whose change opens a new version. @default all but the key, `effective` and `sequence` */
      readonly track?: readonly string[]
      /** When a row became true, in the data. @default the commit time of the version that is loaded */
      readonly effective?: string
      /** Orders changes of one key at one effective time. */
      readonly sequence?: string
      /** `absence`: the input is the whole truth, a missing key is deleted; or a flag in the data. @default none */
      readonly deletes?: 'absence' | { readonly column: string; readonly value: string }
      /** A change older than the newest known of its key. @default 'history': placed where it belongs */
      readonly late?: 'history' | 'reject'
      readonly columns: Scd2Columns
    })

/** An input of a code model: a relation that can be queried. */
export interface ModelInput {
  /** Its name in SQL. */
  readonly name: string
  /** Rows, as plain objects with exact values as text where JavaScript has no exact type. */
  rows(sql?: string): Promise<readonly Record<string, unknown>[]>
}

/**
 * A code model: gets its inputs, returns SQL over them, or rows.
 *
 * Its SQL reads its inputs and nothing else, like that of any model: no file, no network, no secret. Its JavaScript is trusted, and is not
 * confined: it can do whatever the user who runs Sluice can. What it reads beside its inputs is known to nobody, so that a change of that makes no
 * new version.
 */
export interface CodeModel {
  readonly kind: 'code'
  /** Tables it reads, as `<layer>.<table>`. */
  readonly inputs: readonly string[]
  /** The columns it makes; needed where it returns rows. */
  readonly columns?: { readonly [column: string]: Column }
  readonly make: (inputs: {
    readonly [table: string]: ModelInput
  }) => Promise<string | readonly Record<string, unknown>[]> | string | readonly Record<string, unknown>[]
}

/** A SQL model: one SELECT. */
export interface SqlModel {
  readonly kind: 'sql'
  readonly sql: string
  /** Relative to the project; for messages. */
  readonly file: string
}

export type Model = SqlModel | CodeModel | ChangesModel

/** When a notification is sent. */
export type NotifyOn = 'success' | 'failure' | 'always'

interface NotifierBase {
  /** @default 'failure' */
  readonly on?: NotifyOn
  /** `run`: one message a run; `task`: one for each task too. @default 'run' */
  readonly each?: 'run' | 'task'
}

export type Notifier = NotifierBase &
  (
    | { readonly kind: 'console' }
    | { readonly kind: 'outbox'; readonly path: string }
    | {
        readonly kind: 'webhook'
        readonly url: TextOrReference
        readonly secret?: SecretReference | EnvReference
        readonly allowPrivate?: boolean
      }
    | {
        readonly kind: 'email'
        readonly to: readonly string[]
        readonly from: string
        readonly host: string
        readonly port?: number
        readonly user?: TextOrReference
        readonly password?: SecretReference | EnvReference
        /** @default true: STARTTLS or TLS with a verified certificate */
        readonly tls?: boolean
      }
  )

/** One pipeline, in full: defaults filled in, SQL files read. */
export interface Pipeline {
  readonly name: string
  /** Relative to the project: where it was defined. */
  readonly file: string
  readonly layers: readonly string[]
  readonly sources: { readonly [table: string]: Source }
  /** By full name, `<layer>.<table>`. */
  readonly models: { readonly [table: string]: Model }
  readonly tables: { readonly [table: string]: TableOptions }
  /** By the warehouse table's name. */
  readonly loads: { readonly [target: string]: Load }
  /** A cron expression and its zone. */
  readonly schedule?: { readonly cron: string; readonly zone: string }
  readonly notifications: readonly Notifier[]
  readonly description?: string
}

/** A warehouse and how to reach it; later kinds join this union. */
export type WarehouseConfig =
  | { readonly kind: 'duckdb'; readonly path: string }
  /** A schema of the database of a connection; `distribution` and `sort` of loads mean nothing there. */
  | { readonly kind: 'postgres'; readonly connection: string; readonly schema: string }

/** `sluice.config.ts`, in full. */
export interface ProjectConfig {
  readonly name: string
  /** The folder of pipelines. @default 'pipelines' */
  readonly pipelines: string
  readonly lake: { readonly path: string; readonly retention: Retention }
  readonly warehouse: WarehouseConfig
  /** Database servers that sources call, by the name that sources use. @default {} */
  readonly connections: { readonly [name: string]: ConnectionConfig }
  readonly engine: {
    readonly memoryLimit: string
    readonly threads?: number
    readonly tempDirectory?: string
    readonly tempLimit?: string
  }
  /** Tasks at a time. @default 2 */
  readonly concurrency: number
  readonly notifications: readonly Notifier[]
}

/** A project with all of its pipelines, ready to be planned. */
export interface Project {
  readonly config: ProjectConfig
  readonly pipelines: readonly Pipeline[]
}
