/**
 * The warehouse contract × load modes.
 *
 * A load and its row in the load ledger commit in one transaction, so that a retry finds out whether it already happened.
 * A table is never empty for a reader, whatever the mode.
 */
import type { Column, Load } from '../definition/types.ts'
import type { EngineColumn } from '../engines/engine.ts'
import type { Relation } from '../lake/relation.ts'
import type { HeldSnapshot } from '../plan/types.ts'

/** A column to be loaded: name and the engine's type. */
export interface LoadColumn {
  readonly name: string
  readonly type: string
  readonly nullable: boolean
}

/** What is loaded: a relation over Parquet files, already verified. */
export interface LoadInput {
  /** The identity of this load: hash of the load's definition and the input version. Loading it twice is a no-op. */
  readonly loadId: string
  readonly target: string
  readonly load: Load
  /** The digest of the load's definition, as the plan has it; kept in the ledger. */
  readonly definition: string
  readonly columns: readonly LoadColumn[]
  /** The input version and when it was committed (ISO instant). */
  readonly version: number
  readonly committedAt: string
  /** Every row of the version, or those that are enough. */
  readonly relation: Relation
  readonly rows: number
  /** For appends: what was added since the last loaded version, by the version that added it. Undefined where the table is not append-only. */
  readonly added?: readonly { readonly version: number; readonly relation: Relation; readonly rows: number }[]
  /**
   * For `incremental` and for `scd2` from snapshots: where the version differs from the one that this very load brought last. A key, or an instant,
   * that neither what came nor what went has a row of has the rows that it had.
   */
  readonly moved?: {
    /** The rows of the files that came. */
    readonly came: Relation
    readonly rows: number
    /** Of each file that went, the least and the greatest key or instant, as the engine's texts. */
    readonly went: readonly { readonly min: string; readonly max: string }[]
  }
  /** For `scd2` from snapshots: what the rows of the snapshots do not tell of them. */
  readonly snapshots?: {
    /** Instants of accepted snapshots that have no row at all, as text. */
    readonly empty: readonly string[]
    /** Rows that were refused, with a column `fields`: JSON of column → text. */
    readonly refused: readonly {
      readonly relation: Relation
      /** The instant of each file, by the column `_file`. @default the column of the snapshot among the fields */
      readonly instants?: { readonly [file: string]: string }
      /** How the texts are read, as declared. @default as the engine writes values */
      readonly columns?: { readonly [column: string]: Column }
      /** The accepted rows of the same files, with `_file` and the snapshot's column: what instants a row may be of whose own cannot be read. */
      readonly accepted?: Relation
    }[]
    /** Accepted files by the column `_file` of their table, with their instants: one of which neither a row nor a refused row is there was empty. */
    readonly deliveries?: readonly {
      readonly relation: Relation
      readonly instants: { readonly [file: string]: string }
    }[]
    /** Instants of snapshots that count however few keys they have. */
    readonly accepted?: readonly string[]
    /** Whether the whole history is made again, whatever is known of the snapshots. */
    readonly whole?: boolean
  }
  /** The `scd2` loads that make the dimensions of the load's lookups, by their targets. */
  readonly dimensions?: { readonly [target: string]: Extract<Load, { mode: 'scd2' }> }
  /** Whether drift that can lose data is approved: a mode that writes every row anew then makes the target's columns anew too. */
  readonly approve?: boolean
  /** Whether the target is to be written again from the lake, though this version was loaded: its rows are not as loads left them. */
  readonly rewrite?: boolean
  readonly run: string
  readonly attempt: number
  readonly fencingToken: number
  readonly signal?: AbortSignal
}

/** What a load did. */
export interface LoadResult {
  /** `done` already before, when the ledger has the loadId. */
  readonly status: 'loaded' | 'already-loaded'
  readonly read: number
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  readonly unchanged: number
  /** Rows refused (late changes that are declared 'reject'), with a reason. */
  readonly rejected: number
  /** Input rows that only said "delete this key". Always: read = inserted + updated + unchanged + rejected + markers. */
  readonly markers?: number
  /** Rows in the target afterwards, as loads left them; of a dimension those of its history, without inferred members. */
  readonly total: number
  /** Versions that late changes of this load made vanish; facts that found them look up again. */
  readonly vanished?: number
  /** Of a history from snapshots: those that are held. */
  readonly held?: readonly HeldSnapshot[]
  /** Members that this load inferred in the dimensions that it looks up. */
  readonly inferred?: number
  /** What the surrogates that were looked up depend on, as a digest. */
  readonly lookups?: string
  /** What somebody else did to the target's rows since the load before. */
  readonly edits?: TargetEdits
  /** Whether the target was written again from the lake, because that was asked for. */
  readonly rewritten?: boolean
  /** Incremental: which keys were replaced. */
  readonly keys?: readonly string[]
}

/** What somebody else did to the rows of a target, as far as it can be seen: where both numbers are equal, the rows are others. */
export interface TargetEdits {
  /** How many rows the last load left. */
  readonly left: number
  readonly found: number
  /** When it was found: an ISO instant. */
  readonly at: string
}

/** A target that is not as its last load left it. */
export interface TargetFinding {
  readonly target: string
  /** `gone`; something else is `replaced` by; other `columns`; other `rows`; other rows, `known` to an earlier load. */
  readonly kind: 'gone' | 'replaced' | 'columns' | 'rows' | 'known'
  /** In words, after the target's name. */
  readonly detail: string
}

/** A row of the load ledger. */
export interface LoadLedgerRow {
  readonly loadId: string
  readonly target: string
  readonly version: number
  /** The digest of the load's definition, as the plan has it. */
  readonly definition: string
  readonly run: string
  readonly loadedAt: string
  readonly result: LoadResult
}

/** A difference between what a load would make and what the target is. */
export interface TargetDrift {
  readonly column: string
  readonly kind: 'missing' | 'extra' | 'retyped'
  readonly expected?: string
  readonly found?: string
  /** Additive and widening drift is mended by the load; the rest needs a decision, but `lossy` between exact numbers may pass if every value fits. */
  readonly change: 'additive' | 'widening' | 'lossy' | 'destructive'
  /** What forbids that the column's type is changed, in words: views, indexes. */
  readonly blockers?: readonly string[]
}

/** What a query needs of a table. */
export interface TableToCopy {
  /** A target, or `sluice.load_ledger`. */
  readonly table: string
  readonly mayRead: (column: string) => boolean
  /** @default all */
  readonly rows?: number
}

/** A table as it was copied out. */
export interface CopiedTable {
  /** All columns that it has, with the engine's types. */
  readonly columns: readonly EngineColumn[]
  /** None where only columns were asked for. */
  readonly rows?: {
    /** What stands after FROM in the engine's SQL, once, while the folder is there. */
    readonly relation: string
    readonly count: number
    /** Those that were copied. */
    readonly columns: readonly string[]
  }
}

/** What a warehouse can do; core code asks this, never which warehouse it is. */
export interface WarehouseCapabilities {
  /** The schema of Sluice's own tables, quoted. */
  readonly ownSchema: string
}

/** An open connection; closed by whoever opened it. */
export interface Warehouse extends AsyncDisposable {
  readonly capabilities: WarehouseCapabilities
  /** Compares the target with what the load needs; empty where the target does not exist yet. Changes nothing. */
  drift(input: Pick<LoadInput, 'target' | 'load' | 'columns'>): Promise<readonly TargetDrift[]>
  /**
   * Whether targets are as their last loads left them; those that were never loaded are not looked at. Changes nothing.
   *
   * @param deep Reads every row, too; else only what costs nothing.
   */
  examine(
    targets: readonly { readonly target: string; readonly load: Load }[],
    deep: boolean,
  ): Promise<readonly TargetFinding[]>
  /** Of each target the others that its foreign keys name: they are loaded before it. */
  references(targets: readonly string[]): Promise<{ readonly [target: string]: readonly string[] }>
  /** Loads in one transaction, with the ledger row. */
  load(input: LoadInput): Promise<LoadResult>
  /** The newest ledger row of a target, or of a loadId. */
  ledger(filter: { readonly target?: string; readonly loadId?: string }): Promise<readonly LoadLedgerRow[]>
  /**
   * Copies tables into a folder, all as of one moment; nothing of a table that is not there. Only of a warehouse that no query can attach.
   *
   * @throws Query.WarehouseTooLarge
   */
  copyOut?(
    tables: readonly TableToCopy[],
    to: { readonly folder: string; readonly limitBytes: number; readonly signal?: AbortSignal },
  ): Promise<readonly (CopiedTable | undefined)[]>
  /** Reads: parameters only as values. */
  query(sql: string, params?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>
  close(): Promise<void>
}
