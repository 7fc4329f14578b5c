/** What the CLI (and later the console) can do with an opened project. Implemented by `project.ts`, the only place that wires implementations to contracts. */
import type { Problem } from '../base/errors.ts'
import type { Setting } from '../definition/environments.ts'
import type { GivenParameters } from '../definition/parameters.ts'
import type { Project } from '../definition/types.ts'
import type { Session } from '../engines/engine.ts'
import type { IcebergState } from '../lake/lake.ts'
import type { CommitRecord, QuarantineFile } from '../lake/record.ts'
import type { HeldSnapshot, Plan, PlanResult } from '../plan/types.ts'
import type { SqlAnalysis } from '../sql/analysis.ts'
import type { Payload, StateMachine } from '../statemachine/types.ts'
import type { LoadLedgerRow } from '../warehouses/warehouse.ts'
import type { CdcControl } from './cdc/api.ts'
import type { DamagedTable } from './intact.ts'
import type { AgedOut, EventSink, RunEvent, RunSummary } from './ledger/events.ts'
import type { HeldLease } from './ledger/release.ts'

export type * from './cdc/api.ts'

/** What selects and steers a plan or a run. */
export interface PlanOptions {
  readonly select?: readonly string[]
  readonly exclude?: readonly string[]
  readonly approve?: readonly string[]
  /** Values of declared parameters, by `<name>` or `<pipeline>.<name>`. @default what the pipelines declare */
  readonly parameters?: GivenParameters
  readonly force?: boolean
}

export interface RunOptions extends PlanOptions {
  readonly onEvent?: EventSink
  readonly signal?: AbortSignal
  /** Tasks at a time. @default the project's */
  readonly concurrency?: number
  /**
   * Does what a state of the machine asks for, in place of this process: what is asked is a reference, and so is the answer.
   *
   * @default this process does it
   */
  readonly invoke?: (payload: Payload, signal: AbortSignal) => Promise<Record<string, unknown>>
}

/** What steers runs that follow each other. */
export interface WatchOptions extends Omit<RunOptions, 'onEvent'> {
  /** Milliseconds from the end of a run to the beginning of the next; more while runs fail. */
  readonly everyMs: number
  /** Told of every run that did something, or failed. */
  readonly onCycle: (cycle: WatchCycle) => void
}

/** One of the runs that follow each other. */
export interface WatchCycle {
  /** Another run held the project: nothing was run. */
  readonly isBusy: boolean
  readonly id?: string
  readonly summary?: RunSummary
  /** Of the run, in order. */
  readonly events: readonly RunEvent[]
  /** Milliseconds until the next. */
  readonly nextMs: number
}

/** A value of the configuration, and where it came from. */
export interface ProjectSetting extends Setting {
  /** Of a reference: where its value is; undefined where it has none. */
  readonly found?: string | undefined
}

/** One run of the ledger. `interrupted`: it has no end, and its lease has run out. */
export interface RunInfo {
  readonly id: string
  readonly startedAt: string
  readonly finishedAt?: string
  readonly status: 'running' | 'succeeded' | 'failed' | 'cancelled' | 'interrupted'
  readonly pipelines: readonly string[]
  /** Of a command that writes: what it did. */
  readonly command?: string
  readonly summary?: RunSummary
}

/**
 * The key of what an opened project lets `query/` read. A symbol, so that nobody reads past the read path by a method that happens to be there:
 * the architecture test lets only `query/` import it.
 */
export const readContext: unique symbol = Symbol('what query/ reads of a project')

/** What can be read of a project, by nobody in particular: `openReads` decides what of it a reader sees. */
export interface ReadContext {
  /** Absolute. */
  readonly root: string
  readonly definition: Project
  /** What loading the definition found. */
  readonly problems: readonly Problem[]
  /** The newest; of what is damaged it is warned. @param limit @default 20 */
  runs(limit?: number): Promise<readonly RunInfo[]>
  /** One run, however old; undefined where it is not kept. */
  run(id: string): Promise<RunInfo | undefined>
  events(runId: string): Promise<readonly RunEvent[]>
  log(runId: string, task?: string): Promise<string>
  /** Tables of the lake: the newest record of each that can be read; of the others it is warned. */
  tables(): Promise<readonly CommitRecord[]>
  /** Tables whose newest record is damaged or missing. */
  damaged(): Promise<readonly DamagedTable[]>
  versions(table: string): Promise<readonly CommitRecord[]>
  /** Files of refused rows of a table, newest first: of all kept versions, and of those that are gone but for the rows that they refused. */
  refused(table: string): Promise<readonly QuarantineFile[]>
  /** Whether a file of refused rows of a table is damaged, which is then warned of by name. */
  damagedRefused(table: string): Promise<boolean>
  /** @throws Lake.FileCorrupt unless every data file of a version is what was committed */
  verify(record: CommitRecord): Promise<void>
  /** Analyses by model table, with columns and types as planned. */
  analysis(): Promise<{ readonly [table: string]: SqlAnalysis }>
  loads(): Promise<readonly LoadLedgerRow[]>
  /** Where other engines find a table of the lake, and how far that is; undefined of one without a version. */
  iceberg(table: string): Promise<IcebergState | undefined>
  /**
   * Opens a read session: lake tables as views `<layer>.<table>` (`latest`), `<layer>.<table>__snapshot` with `_version`, `_committed_at` and
   * `_version_date`, the warehouse attached read-only as `warehouse`, and system views `sluice.runs`, `sluice.lag`, `sluice.versions`, `sluice.checks`,
   * `sluice.quarantine`, `sluice.files`, `sluice.inputs`, `sluice.extractions` (the newest 200 of each table), `sluice.loads`. Without `runs`, the
   * two views of runs are empty: for who asks nothing of them.
   */
  openRead(options?: { readonly signal?: AbortSignal; readonly runs?: boolean }): Promise<Session>
  /**
   * Brings into a read session what a statement reads of a warehouse that cannot be attached, which is one on a server; a server is asked for nothing else.
   *
   * @throws Connection.*, Query.WarehouseTooLarge
   */
  readWarehouse(session: Session, reading: WarehouseReading): Promise<void>
}

/** What a statement reads. */
export interface WarehouseReading {
  readonly relations: readonly { readonly catalog: string; readonly schema: string; readonly name: string }[]
  /** Whether it asks what tables and columns there are. */
  readonly lists: boolean
  readonly mayRead: (column: string) => boolean
  /** More rows than these are not needed. */
  readonly rows?: number
  readonly signal?: AbortSignal
}

/** An opened project: what it does. What it shows goes through `openReads` in `query/`. Closed by whoever opened it. */
export interface OpenProject extends AsyncDisposable {
  /** Absolute. */
  readonly root: string
  readonly definition: Project
  /** What loading the definition found; with an error among them, `definition` is what of it can be read, and nothing can be planned or run. */
  readonly problems: readonly Problem[]
  readonly [readContext]: ReadContext
  /** All problems of the definition, sorted by file and place; empty when all is well. */
  check(): Promise<readonly Problem[]>
  /** Every value of the configuration, and where it came from. */
  settings(): Promise<readonly ProjectSetting[]>
  plan(options?: PlanOptions): Promise<PlanResult>
  stateMachines(plan: Plan): Promise<readonly StateMachine[]>
  run(options?: RunOptions): Promise<{ readonly id: string; readonly summary: RunSummary }>
  /**
   * Runs again and again until the signal aborts. A run that finds nothing to do leaves no trace, and a failure is reported once.
   *
   * @throws what ends a run before it begins, such as Definition.Invalid; not Run.Busy
   */
  watch(options: WatchOptions): Promise<void>
  /**
   * Does what a state of a run's machine asks for, from the ledger alone: a task, its settling, a step of the run. Any process may do it.
   *
   * @throws Run.NotFound, Run.Fenced, and whatever stops the task
   */
  task(payload: Payload, options?: Pick<RunOptions, 'onEvent' | 'signal'>): Promise<Record<string, unknown>>
  /** Asks a run to end, in whatever processes its tasks are. @throws Run.NotFound */
  cancel(runId: string): Promise<void>
  /** A log of changes, by its table: what is done with it by hand. */
  cdc(table: string): Promise<CdcControl>
  /** Runs again what failed or was skipped in a run (default: the last one), and what depends on it. */
  retry(runId: string | undefined, options?: RunOptions): Promise<{ readonly id: string; readonly summary: RunSummary }>
  /** Makes version N+1 with the content of an earlier version. */
  rollback(table: string, version: number): Promise<CommitRecord>
  /** Snapshots that the last loads held, and nobody has accepted yet. */
  held(): Promise<readonly (HeldSnapshot & { readonly target: string })[]>
  /** Takes a held snapshot of a target's history: it counts from the next load on. @throws Warehouse.SnapshotNotHeld */
  accept(target: string, instant: string): Promise<void>
  /** Takes refused rows of a table out of quarantine: all, or those that one version refused; the record says which. @throws Quality.NothingToDismiss */
  dismissQuarantine(table: string, version?: number): Promise<CommitRecord>
  /** Reads quarantined files of a source again, through today's definition. */
  replayQuarantine(table: string, options?: RunOptions): Promise<{ readonly id: string; readonly summary: RunSummary }>
  /** Proposes a contract for foreign files, as a definition to review and a diff against the source that is there. */
  crawl(path: string): Promise<CrawlProposal>
  /** Proposes contracts for the procedures of a connection, as a definition to review and a diff against the sources that are there. */
  crawlConnection(connection: string, options?: CrawlConnectionOptions): Promise<ConnectionProposal>
  /** Removes what no kept version needs, and refused rows that are older than a rule allows; with `dryRun`, only says what. */
  clean(options?: { readonly dryRun?: boolean }): Promise<{
    readonly removed: readonly string[]
    readonly bytes: number
    readonly agedOut: readonly AgedOut[]
  }>
  /**
   * Writes the Iceberg metadata of tables again, from their commit records: after the lake was moved, and over the commits of other writers.
   *
   * @param table by default all of the lake
   * @example for (const { table, status } of await project.syncCatalog()) console.log(table, status)
   */
  syncCatalog(table?: string): Promise<readonly IcebergTable[]>
  doctor(): Promise<readonly Finding[]>
  /**
   * Frees the leases of runs whose machine is gone, one by one as `ask` says; returns those that it freed.
   *
   * @throws Run.StillLives for a run that works on this machine
   */
  release(ask: (held: HeldLease) => Promise<boolean>): Promise<readonly HeldLease[]>
}

/** A table as other engines find it. */
export interface IcebergTable extends IcebergState {
  readonly table: string
}

/** What a doctor's look at one thing came to. */
export interface Finding {
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly detail: string
  readonly fix?: string
}

/** A difference between what a crawl found and the source that is there. */
export interface CrawlDifference {
  readonly column: string
  readonly change: string
  readonly class: 'additive' | 'widening' | 'lossy' | 'destructive'
  readonly from?: string
  readonly to?: string
}

/** What a crawl of files found. */
export interface CrawlProposal {
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly rows: number }[]
  /** TypeScript, ready to paste. */
  readonly definition: string
  readonly columns: readonly {
    readonly name: string
    readonly type: string
    readonly nullable: boolean
    readonly note?: string
  }[]
  /** Against the source whose pattern matches, where there is one. */
  readonly against?: string
  readonly diff: readonly CrawlDifference[]
}

/** What a crawl of a connection looks at. */
export interface CrawlConnectionOptions {
  /** @default all that the login may call */
  readonly procedure?: string
  /** Calls the procedure to see its columns, for servers and procedures that do not describe them. */
  readonly call?: boolean
  /** Values of that call, as text; NULL as null. */
  readonly parameters?: { readonly [name: string]: string | null }
  readonly signal?: AbortSignal
}

/** What a crawl of a connection found. */
export interface ConnectionProposal {
  readonly connection: string
  /** The server's product and version. */
  readonly server: string
  /** TypeScript, ready to paste. */
  readonly definition: string
  readonly procedures: readonly {
    readonly procedure: string
    readonly parameters: readonly {
      readonly name: string
      readonly type: string
      readonly serverType: string
      readonly output: boolean
      readonly hasDefault?: boolean
    }[]
    /** Result sets whose columns are known. */
    readonly sets: readonly {
      readonly set: number
      readonly table: string
      readonly columns: readonly {
        readonly name: string
        readonly type: string
        readonly serverType: string
        /** Where the server says. */
        readonly nullable?: boolean
        readonly note?: string
      }[]
      /** The table of the source that takes this set today. */
      readonly against?: string
      readonly diff: readonly CrawlDifference[]
    }[]
    readonly note?: string
  }[]
}
