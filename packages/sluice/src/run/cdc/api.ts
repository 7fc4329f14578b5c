/** What can be asked of a log of changes beside a run: how it stands, and what is done by hand. A part of `api.ts`. */

/** How something stands, and what to do about it. */
export interface CdcFinding {
  /** What was looked at: `wal_level`, `rights`, `public.orders`. */
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly detail: string
  /** In words; the statements that do it are in {@link CdcControl.setup}, where Sluice can do it. */
  readonly fix?: string
}

/** A captured table. */
export interface CdcTable {
  /** `public.orders` */
  readonly table: string
  /**
   * `new`: its rows are copied by the next run. `captured`: its changes are taken. `paused`: its changes wait in the server's log, for a person;
   * the other tables go on. `stale`: it must be compared, since changes may be missing. `missing`: the server or the publication does not have it.
   */
  readonly status: 'new' | 'captured' | 'paused' | 'stale' | 'missing'
  /** Why it is paused, stale or missing. */
  readonly detail?: string
}

/** How far behind the server a log is. */
export interface CdcLag {
  /** Bytes of the server's log between what was committed here and its end. */
  readonly bytes: number
  /** Seconds since the end of what was committed here was current; undefined where nothing has happened since. */
  readonly seconds?: number
  /** Bytes of its log that the server keeps for the slot: what its disk has to bear. */
  readonly keptBytes: number
  readonly level: 'ok' | 'warn' | 'alert'
}

/** How a log stands. */
export interface CdcStatus {
  /** The log's table: `raw.shop`. */
  readonly table: string
  readonly connection: string
  readonly slot: string
  readonly publication: string
  /** `missing`: there is none yet. `active`: a process reads it. `lost`: what it kept is gone, and so are changes. */
  readonly slotStatus: 'missing' | 'ready' | 'active' | 'lost'
  /** Up to where changes are committed here: `16/B374D848`. */
  readonly position?: string
  /** Up to where the server has written. */
  readonly serverPosition?: string
  readonly lag?: CdcLag
  readonly tables: readonly CdcTable[]
  /** What a run needs, looked at one by one. */
  readonly findings: readonly CdcFinding[]
}

/** A statement for the server. */
export interface CdcStatement {
  /** What it is for, in a few words. */
  readonly why: string
  /** SQL; ready to be given to psql. */
  readonly sql: string
  /** Whether the connection's user may do it; otherwise an administrator must. */
  readonly allowed: boolean
}

/** What was to be done on the server, and whether it was. */
export interface CdcChange {
  /** In order; empty where nothing is to be done. */
  readonly statements: readonly CdcStatement[]
  readonly done: boolean
}

/** What a comparison with the server found of one table, and added to the log. */
export interface CdcResnapshotTable {
  readonly table: string
  /** Rows that the server has. */
  readonly rows: number
  /** Rows that were missed: to be added, to be changed, to be deleted. */
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

/** What a comparison with the server has led to. */
export interface CdcResnapshot {
  readonly tables: readonly CdcResnapshotTable[]
  /** The version of the log that has what was missed; that before where nothing was. */
  readonly version: number
  /** From where the log goes on. */
  readonly position: string
}

/** A change of a table's shape that was accepted. */
export interface CdcAccepted {
  readonly table: string
  /** In words: `column "note" was dropped`. */
  readonly changes: readonly string[]
}

/** A log of changes, by hand. Whatever writes takes the project's lease for itself. */
export interface CdcControl {
  /** Asks the server; changes nothing. @throws Connection.* where it cannot be reached */
  status(options?: { readonly signal?: AbortSignal }): Promise<CdcStatus>
  /** What is missing on the server: publication, slot, marks of life, replica identities; with `apply` it is made. */
  setup(options: { readonly apply: boolean; readonly signal?: AbortSignal }): Promise<CdcChange>
  /** What Sluice has made on the server: slot first, since it makes the server keep its log; with `apply` it is removed. What is committed stays. */
  drop(options: { readonly apply: boolean; readonly signal?: AbortSignal }): Promise<CdcChange>
  /**
   * Compares whole tables with what was committed of them, and adds what was missed to the log, deletes included. A lost slot is made anew.
   *
   * @throws Run.Busy while another run holds the project
   */
  resnapshot(options?: {
    /** @default all that are captured */
    readonly tables?: readonly string[]
    readonly onProgress?: (event: { readonly table: string; readonly rows: number }) => void
    readonly signal?: AbortSignal
  }): Promise<CdcResnapshot>
  /** Shapes and truncations that paused tables: with `apply` they are taken as they are, from the same position on. */
  accept(options: {
    /** @default all that are paused */
    readonly table?: string
    readonly apply: boolean
    readonly signal?: AbortSignal
  }): Promise<readonly CdcAccepted[]>
}
