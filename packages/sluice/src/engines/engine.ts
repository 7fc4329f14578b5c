/** The engine contract: run SQL over files, on this machine. */
import type { ColumnStats } from '../lake/record.ts'
import type { Relation } from '../lake/relation.ts'
import type { Utf8Column } from './utf8-column.ts'

/** A column as the engine describes it. */
export interface EngineColumn {
  readonly name: string
  readonly type: string
}

/** One written Parquet file, as its footer and the writer report it. */
export interface WrittenFile {
  /** An absolute local path. */
  readonly file: string
  readonly rows: number
  readonly bytes: number
  readonly partition?: { readonly [column: string]: string }
  /** Of columns that are not nested. A least or greatest text of more than 64 characters is left out. */
  readonly stats: { readonly [column: string]: ColumnStats }
}

/** How Parquet is written. */
export interface WriteOptions {
  /** An absolute, empty local folder. */
  readonly folder: string
  readonly partitionBy?: readonly string[]
  /** The columns of `partitionBy` are not written: they are no columns of the table. @default false */
  readonly partitionsOnly?: boolean
  /** Keep the order of the query's rows. @default false */
  readonly ordered?: boolean
  /** About so many bytes a row group, before they are compressed; not with `ordered`. @default by rows alone */
  readonly rowGroupBytes?: number
  /** How many different texts of a column are still written as a dictionary. @default DuckDB's own: a fifth of a row group */
  readonly dictionary?: number
}

/** A column of values to append: texts, for VARCHAR, or numbers, for BIGINT. */
export type Column = readonly (string | null)[] | Utf8Column | BigInt64Array

/** What a session may still reach. */
export interface Reach {
  /** Of the lake, by path. */
  readonly objects: readonly string[]
  /** Of this machine, absolute; with all that is below them. */
  readonly folders: readonly string[]
}

/** A session: one in-memory database; closed by whoever opened it. Not for concurrent statements. */
export interface Session extends AsyncDisposable {
  /** Runs a statement; values go only as parameters (`$1`, or `$name`). */
  run(sql: string, params?: readonly unknown[]): Promise<void>
  /** Rows as objects; values exact, as JavaScript's JSON types: 64-bit and wider numbers, decimals, dates and times as text. */
  all<T = Record<string, unknown>>(sql: string, params?: readonly unknown[]): Promise<T[]>
  /** Streams rows in batches, for results of any size. */
  stream(sql: string, params?: readonly unknown[]): AsyncIterable<readonly Record<string, unknown>[]>
  /**
   * What stands after FROM to read a relation; for this session and those beside it, until it is closed. Nobody looks into the text: where files are on
   * this machine is the engine's.
   */
  from(relation: Relation): Promise<string>
  /** Result columns without running. */
  describe(sql: string): Promise<readonly EngineColumn[]>
  /** Writes a query's rows as zstd Parquet and reports each file; not yet durable. */
  write(sql: string, options: WriteOptions): Promise<readonly WrittenFile[]>
  /**
   * Adds rows to a table whose columns are VARCHAR or BIGINT, column by column: `columns[c][r]`. Exact, whatever the text. The next
   * statement sees them, in no order: what needs one brings a number. A call takes any number of rows, best 2,048. After an error the table's rows are not defined. To stage in batches,
   * make the table anew for each: that frees its memory at once, where TRUNCATE and DELETE do so some time later.
   *
   * @throws Engine.TextBroken for half a surrogate pair, which no UTF-8 holds
   */
  append(table: string, columns: readonly Column[], rows: number): void
  /**
   * Makes a function `name(mask UBIGINT, fields VARCHAR[]) → BOOLEAN` that hands every call's row to `take` and returns false: for a WHERE that
   * keeps good rows and captures bad ones in the same scan.
   */
  capture(name: string, take: (mask: bigint, fields: readonly (string | null)[]) => void): void
  /**
   * A second session on the same database, for statements that run while rows are appended to other tables here: its statements see what was
   * appended before. The same one at each call; it is closed with this one.
   */
  beside(): Promise<Session>
  /**
   * For work in pieces whose values may be large: what is read is read once, and what was freed is given back before the next piece. For the whole
   * database, sessions beside it included.
   *
   * @param options `threads`: 1 where rows are written in order, or one row group at a time
   */
  conserve(options?: { readonly threads?: number }): Promise<void>
  /**
   * From now on, and for as long as the database lives, its statements reach these files and folders of the machine and no others: no network, no
   * extension, no secret. What is in memory or attached stays.
   */
  confine(to: Reach): Promise<void>
  /** Stops the statement that is running; its promise rejects. */
  interrupt(): void
  /** Stops what is running and waits for it: a database is never freed under a statement. Safe to call twice. */
  close(): Promise<void>
}

/** Opens sessions. */
export interface Engine {
  readonly name: 'duckdb'
  open(options?: {
    readonly signal?: AbortSignal
    readonly attach?: { readonly path: string; readonly name: string; readonly readOnly: boolean }
  }): Promise<Session>
}
