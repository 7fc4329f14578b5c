/**
 * The commit record: the one object that makes version N+1 of a table exist.
 *
 * Everything before it is invisible garbage; everything after it can be repeated. It holds data, lineage, cursors, accounting and quarantine
 * together, so that none of them can move without the others.
 */

/** A column of a version. The id stays with the column through renames and is never reused in a table. */
export interface Field {
  readonly id: number
  readonly name: string
  /** The engine's spelling: VARCHAR, INTEGER, DECIMAL(12,3), TIMESTAMP WITH TIME ZONE … */
  readonly type: string
  readonly nullable: boolean
  /** The parts of a nested column: members of a struct, `element` of a list, `key` and `value` of a map. */
  readonly nested?: readonly NestedField[]
}

/** A part of a nested column; it has an id like a column, so that other readers of the files find it. */
export type NestedField = Pick<Field, 'id' | 'name' | 'type' | 'nested'>

/** What is known of a column's values in one file. */
export interface ColumnStats {
  /** The least and the greatest, exactly, as the engine writes values of the type in the file as text; left out where that is too long to repeat. */
  readonly min?: string
  readonly max?: string
  readonly nulls: number
  /** NULLs included. Left out where nobody counted. */
  readonly values?: number
  /** Left out where the column is no floating one, or nobody counted. */
  readonly nans?: number
  /** As they are stored. */
  readonly bytes?: number
}

/** One immutable Parquet file. */
export interface DataFile {
  /** Relative to the lake. */
  readonly path: string
  readonly rows: number
  readonly bytes: number
  readonly sha256: string
  /** `{ year: '2010', month: '12' }` of `monthOf`, or columns with their values; for pruning and other readers, the values themselves are in the file. */
  readonly partition?: { readonly [column: string]: string | null }
  /** By the version's names of the columns. In the stored record by field id. */
  readonly stats: { readonly [column: string]: ColumnStats }
  /**
   * Which of the version's fields the file holds, by the names in the file; the others are NULL. By field id: a column that was dropped and came
   * back under the same name is another column, and is not listed.
   */
  readonly fields: readonly string[]
  /** Types in the file, where the version has widened them since. Set by the lake. */
  readonly types?: { readonly [column: string]: string }
  /** The version that brought its rows; the newest of them where they are of several. */
  readonly addedIn: number
  /** For a file that a compaction made of several. */
  readonly merged?: {
    /** The version that brought its oldest rows. No other file of its partition has rows of the versions from here to `addedIn`. */
    readonly from: number
    /** The identity of the files that it was made of; see `identityOf` in `lake/growth.ts`. */
    readonly identity: string
  }
  /** A digest of its rows whatever their order, which add up over files; see `lake/content.ts`. Left out where nobody compares contents. */
  readonly content?: string
  /** Whether its Parquet schema has the ids of the fields; files of older formats have none, and go by names. Set by the lake. */
  readonly hasFieldIds?: boolean
}

/** What a version was made from. */
export type InputReference =
  | { readonly kind: 'table'; readonly table: string; readonly version: number }
  | {
      readonly kind: 'file'
      /** Relative to the project, as delivered. */
      readonly path: string
      readonly sha256: string
      readonly bytes: number
      readonly fileDate?: string
      readonly accounting: RowAccounting
    }
  | {
      /** A call of a stored procedure; its whole story is in the table's extraction log. */
      readonly kind: 'call'
      readonly connection: string
      readonly procedure: string
      /** As they were bound, as text. */
      readonly parameters: { readonly [name: string]: string | null }
      readonly startedAt: string
      readonly rows: number
    }
  | {
      /** A piece of a server's log of changes. */
      readonly kind: 'changes'
      readonly connection: string
      readonly slot: string
      /** Exclusive, as the server writes positions; absent for the first copy. */
      readonly from?: string
      /** Inclusive. */
      readonly to: string
      readonly transactions: number
      readonly rows: number
    }

/** Rows read = accepted + quarantined + dropped, checked before the commit. Byte counts for files. */
export interface RowAccounting {
  readonly read: number
  readonly accepted: number
  readonly quarantined: number
  /** Declared drops only (duplicates, filters), by reason. */
  readonly dropped: { readonly [reason: string]: number }
  /** Rows of the version before that stay beside the accepted ones, where a replacement keeps some (a merge): they are not read again. */
  readonly carried?: number
  readonly bytes?: { readonly total: number; readonly header: number; readonly records: number }
}

/** The outcome of one check. */
export interface CheckResult {
  readonly name: string
  readonly kind: string
  readonly columns: readonly string[]
  readonly severity: 'warn' | 'error'
  /** `refused`: the failing rows are in quarantine; `warned`: they are in the table. */
  readonly status: 'passed' | 'warned' | 'refused' | 'failed'
  /** Failing rows, or 1 for a table check that failed. */
  readonly failing: number
  readonly total: number
  /** What was measured and expected, in words. */
  readonly detail?: string
}

/** A file of refused rows; see `quality/quarantine.ts` for its columns. */
export interface QuarantineFile {
  readonly path: string
  readonly rows: number
  readonly bytes: number
  readonly sha256: string
  /** Rows by reason (a check's or rule's name). */
  readonly reasons: { readonly [reason: string]: number }
  /** The version that refused them, and its definition: later versions may keep the file when that one's record is gone. */
  readonly addedIn: number
  readonly definition: string
}

/** A file of refused rows that a version does not answer for any more, and why. */
export interface DismissedFile extends Pick<QuarantineFile, 'path' | 'rows' | 'addedIn'> {
  readonly why: 'by hand' | 'replayed' | 'aged out'
}

/** A committed input: its identity, its path as delivered, and the version that took it (0 where that is not known any more). */
export type KnownInput = readonly [sha256: string, path: string, version: number]

/**
 * Things that a table has gathered over its versions, each known by a key. A record repeats the newest few; the others are in parts, which are
 * immutable, sorted, and written together as they grow, so that there are few. See `record/chain.ts`.
 */
export interface Chain<T> {
  /** Oldest first; each is one sorted row of parts. */
  readonly runs: readonly (readonly ChainPart[])[]
  readonly recent: readonly T[]
}

/** One object with entries of a chain. */
export interface ChainPart {
  /** Relative to the lake. */
  readonly path: string
  readonly entries: number
  /** The least and the greatest key. */
  readonly first: string
  readonly last: string
}

/** One version of a table. */
export interface CommitRecord {
  /** As it is in memory; older ones are turned into it when they are read, see `record/upgrade.ts`. */
  readonly format: 3
  readonly table: string
  /** Stays with the table through all versions; absent in what was written before format 3. */
  readonly uuid?: string
  /** Counts from 1. */
  readonly version: number
  /** version - 1; 0 for the first. */
  readonly parent: number
  readonly committedAt: string
  readonly operation: 'append' | 'replace' | 'rollback' | 'compact'
  readonly rollbackOf?: number
  /** For a compaction: the version whose rows these are, and who wrote them together. The rest of the record is that version's. */
  readonly compacted?: { readonly of: number; readonly run: string; readonly at: string }
  /** The hash of the definition and the inputs: a task whose key is already committed is not run again. */
  readonly taskKey: string
  readonly definition: string
  readonly run: string
  readonly attempt: number
  readonly fencingToken: number
  readonly fields: readonly Field[]
  /** Higher than any field id that any version ever had. */
  readonly nextFieldId: number
  /** The field by whose months files are split that have `year` and `month` as partition. */
  readonly monthOf?: number
  readonly files: readonly DataFile[]
  readonly rows: number
  readonly bytes: number
  /** Inputs of this version alone. For an appending source, earlier files are in earlier records. */
  readonly inputs: readonly InputReference[]
  /** The inputs of the versions before this one. Absent in what was written before format 3: then they are in those records. */
  readonly known?: Chain<KnownInput>
  readonly watermark?: string
  readonly accounting: RowAccounting
  readonly checks: readonly CheckResult[]
  /** What this version refused. */
  readonly quarantine: readonly QuarantineFile[]
  /** What earlier versions refused whose accepted rows are still here. Absent in what was written before format 3. */
  readonly refused?: Chain<QuarantineFile>
  /** What earlier versions refused and nobody has to deal with from this version on. */
  readonly dismissed?: readonly DismissedFile[]
  /** The SQL that made it, for models. */
  readonly sql?: string
  readonly warnings?: readonly string[]
}
