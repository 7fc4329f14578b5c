/** What a user writes of files as a source, in full; a part of `types.ts`. */

import type { Check, Column, QuarantineLimits } from './contract-types.ts'
import type { Encoding } from './encodings.ts'

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
  readonly encoding?: Encoding
  /** How many lines stand before the header, or before the first record. @default 0 */
  readonly skip?: number
  /** What a line begins with that is a comment and no record. @default there are none */
  readonly comment?: string
  /** How many lines end a file and are no records, or what its last line begins with; a file without them is refused as cut. @default 0 */
  readonly footer?: number | string
  /** Rows with too few or too many fields. @default 'reject' */
  readonly ragged?: 'reject' | 'pad'
  /** Columns of the file that the contract does not have. @default 'reject' */
  readonly extraColumns?: 'reject' | 'ignore'
  /** `zstd` needs Node 22.15 or later. @default by the first bytes: gzip and zstd are unpacked under any name */
  readonly compression?: 'none' | 'gzip' | 'zstd'
}

/** JSON Lines: one object a line. */
export interface JsonLinesFormat {
  readonly kind: 'jsonl'
  readonly extraColumns?: 'reject' | 'ignore'
  readonly compression?: 'none' | 'gzip' | 'zstd'
}

/** Parquet: types must be those of the contract, or widen to them without loss. */
export interface ParquetFormat {
  readonly kind: 'parquet'
  readonly extraColumns?: 'reject' | 'ignore'
}

export type FileFormat = CsvFormat | JsonLinesFormat | ParquetFormat

/** Which of the rows that share a key stays: none, or the one with the smallest or the greatest value of a column. */
export type KeepRow<C extends string = string> = 'none' | { readonly firstBy: C } | { readonly lastBy: C }

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
  /**
   * A file that has other columns than the contract. `freeze`: it is refused. `evolve`: the table takes new columns as text (of Parquet as what they
   * are), and columns that may be NULL may be absent. `quarantine`: its rows are refused one by one, whatever `quarantine` limits, and can be
   * replayed once the contract fits. @default 'freeze'
   */
  readonly drift?: 'freeze' | 'evolve' | 'quarantine'
  /** The same content under another name. @default 'skip' */
  readonly duplicateContent: 'skip' | 'error' | 'append'
  /**
   * The same name with other content, after the first was committed: its rows are added, or the file is refused, or it takes the place of the
   * earlier one. @default 'append'
   */
  readonly changedContent: 'append' | 'error' | 'replace'
  /** A key inside a file: rows that share it are all refused, or the first or last by a column wins and the others are refused. */
  readonly key?: { readonly columns: readonly string[]; readonly keep: KeepRow }
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
