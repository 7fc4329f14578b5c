/** What a user writes of changes that a database server streams, and of the tables that are made of them, in full; a part of `types.ts`. */
import type { Check, Column, QuarantineLimits } from '../contract-types.ts'

/**
 * The changes of a PostgreSQL database as a source: one log of all its tables, in the order of their commits, whose rows say what happened to which row
 * of which table. A version of the log ends where a transaction ends, for all tables at once.
 */
export interface CdcSource {
  readonly kind: 'cdc'
  /** The connection's name in `sluice.config`; its server is a PostgreSQL. */
  readonly connection: string
  /** The captured tables, as the server knows them: `public.customers`. A part with a dot or a quote in it is quoted: `"a.b".c`. */
  readonly tables: readonly string[]
  /** The replication slot; no other source and no other project reads it. @default 'sluice_<project>_<source>' */
  readonly slot: string
  /** The publication. @default 'sluice_<project>_<source>' */
  readonly publication: string
  /** Default names of before the project was in them: a log that began under them goes on with them. @default none where both are given */
  readonly formerNames?: { readonly slot?: string; readonly publication?: string }
  /** How the log's files are split: by the day or the hour of the commit, in UTC. @default 'day' */
  readonly partitionBy: 'day' | 'hour'
  /** A TRUNCATE deletes every row of its table, or stops the source until it is accepted. @default 'apply' */
  readonly truncate: 'apply' | 'pause'
  /** Whether the slot is one that standbys take over (PostgreSQL 17 or later), so that the log goes on after a promotion. @default false */
  readonly failover: boolean
  /** How the tables are copied before the first change. */
  readonly snapshot: {
    /** Connections at a time. @default 2 */
    readonly connections: number
    /** Pages (of 8 KiB) that one statement copies. @default 8192 */
    readonly chunkPages: number
  }
  /** Changes of one version, beyond which it ends with the transaction. @default 1,000,000 */
  readonly maxBatchRows: number
  /** Bytes of values of one version, beyond which it ends with the transaction. @default 256 MiB */
  readonly maxBatchBytes: number
  /** Bytes of transactions that have not committed yet and are kept in memory; beyond, in files. @default 64 MiB */
  readonly memoryBytes: number
  /** Bytes of them in files; beyond, the source stops. @default 16 GiB */
  readonly spillBytes: number
  /**
   * Seconds in which a server that has something sends a sign of it: after twice as many without any, the run fails. (While none of the tables changes,
   * the slot moves by what the server itself says, and nothing is written to it.) Fewer than 30 count as 30. @default 60
   */
  readonly heartbeatSeconds: number
  readonly lag: LagLimits
  readonly description?: string
}

/** How far behind the server a source may be: in bytes of its log that it must keep, and in seconds. */
export interface LagLimits {
  /** @default 256 MiB */
  readonly warnBytes: number
  /** What the server's disk can spare: the budget for the log that it keeps for the slot. @default 1 GiB */
  readonly alertBytes: number
  /** @default 300 */
  readonly warnSeconds: number
  /** @default 1800 */
  readonly alertSeconds: number
  /** A source that stays beyond a limit is reported once; after so many seconds once more. @default 86,400 */
  readonly repeatSeconds: number
}

/** Change files of AWS DMS: the files that it loaded first, and those of changes, by their names; the rows of each in order. */
export interface DmsFiles {
  /** The column that says what happened: I, U, D; empty in a file of the first load. @default 'Op' */
  readonly op: string
  /** The column with the time of the commit. @default the time in the file's name */
  readonly committedAt?: string
}

/**
 * A table that is made of changes: `current` has one row for each key that lives, `history` one for each change, in order, and only grows.
 * Either is made of the changes that came since, and is the same as if it were made of all of them.
 */
export interface ChangesModel {
  readonly kind: 'changes'
  /** The log, or the files: the table of a source. */
  readonly from: string
  /** The table of the log: `public.customers`; of files there is only one. */
  readonly table?: string
  /** Files of DMS: how they tell what happened. */
  readonly dms?: DmsFiles
  readonly as: 'current' | 'history'
  /** The columns that identify a row: those of the primary key, by their names here. */
  readonly key: readonly string[]
  /** What is taken of a row; a column that has another name in the table says so (`from`). Of files: all but the columns of {@link DmsFiles}. */
  readonly columns: { readonly [column: string]: Column }
  /** SQL over the row as it was cast, by the column that it makes or replaces; each sees the row as it came. */
  readonly transforms: { readonly [column: string]: string }
  /** Checks of rows refuse them; those of the whole table stop it. Both see what the transforms have made, and those of `tables` come along. */
  readonly checks: readonly Check[]
  readonly quarantine: QuarantineLimits
}

/**
 * A surrogate key that is looked up while rows are loaded: of the version of the dimension that was valid at the row's time.
 */
export interface Lookup {
  /** The target of an `scd2` load; it is loaded before. */
  readonly dimension: string
  /** The columns of this table by which the dimension's key is found: `{ customer_id: 'id' }`. */
  readonly key: { readonly [column: string]: string }
  /** The column with the row's time. */
  readonly at: string
  /**
   * What a row does that finds no version: it makes an inferred member, valid until the first version that is known, with nothing but its key;
   * or the load fails. (Rows that are to wait do so by a `reference` check of the table.) A key that is NULL finds nothing, and stays NULL.
   * @default 'fail'
   */
  readonly missing: 'infer' | 'fail'
}
