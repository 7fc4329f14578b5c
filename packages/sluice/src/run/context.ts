/** What tasks are given: contracts only. `project.ts` fills them in. */
import type { Clock } from '../base/clock.ts'
import type { Json } from '../base/json.ts'
import type { Project, Source } from '../definition/types.ts'
import type { Engine } from '../engines/engine.ts'
import type { Inbox } from '../inbox/inbox.ts'
import type { Lake } from '../lake/lake.ts'
import type { RowAccounting } from '../lake/record.ts'
import type { Plan, PlanTask } from '../plan/types.ts'
import type { SourceAdapter } from '../sources/source.ts'
import type { Storage } from '../storage/storage.ts'
import type { Warehouse } from '../warehouses/warehouse.ts'
import type { Connections } from './connections/connections.ts'
import type { LoadFigures, NewRunEvent } from './ledger/events.ts'
import type { Reading } from './planning/reading.ts'
import type { Workspace } from './workspace.ts'

/** An opened project's parts. */
export interface ProjectContext {
  /** Absolute. */
  readonly root: string
  readonly project: Project
  /** How its definition was read. */
  readonly reading: Reading
  readonly clock: Clock
  /** The project's own state: runs and leases. */
  readonly state: Storage
  /** What this machine keeps to be faster. */
  readonly cache: Storage
  /** Where tables are. */
  readonly storage: Storage
  /** Where files are delivered. */
  readonly inbox: Inbox
  /** Local, on the lake's device. */
  readonly workspace: Workspace
  readonly lake: Lake
  readonly engine: Engine
  openSource(table: string, source: Source): Promise<SourceAdapter>
  /** The project's connections to servers; they end with the project. */
  connections(): Promise<Connections>
  /** Warehouses that only one process may open are opened by one task at a time. */
  withWarehouse<T>(work: (warehouse: Warehouse) => Promise<T>, options?: { readonly signal?: AbortSignal }): Promise<T>
  /** Whether the warehouse exists already; a missing one has no ledger and nothing to read. */
  warehouseExists(): Promise<boolean>
  /** A text that changes whenever the warehouse does; undefined where that cannot be told without opening it. */
  warehouseStamp(): string | undefined
  /** Writes a line for people: what console notifications use. */
  readonly print: (line: string) => void
  /** Says what is wrong with something that is kept, and that the work can do without; each message once. */
  readonly warn: (message: string) => void
}

/** What a task left behind. */
export interface TaskOutcome {
  readonly status: 'succeeded' | 'unchanged' | 'skipped' | 'failed' | 'cancelled'
  /** The table's current version afterwards. */
  readonly version?: number
  /** Files refused as a whole. */
  readonly refused?: number
  /** Captured tables that wait for somebody. */
  readonly waiting?: readonly string[]
  readonly accounting?: RowAccounting
  /** Of a partitioned table: those that were written, beside those whose rows are as they were. */
  readonly partitions?: { readonly rewritten: number; readonly total: number }
  readonly loaded?: number
  readonly load?: LoadFigures
  /** Of a command: what it found and did. */
  readonly result?: Json
}

/** What one task is given. */
export interface TaskContext extends ProjectContext {
  readonly run: string
  readonly startedAt: Date
  readonly fencingToken: number
  readonly plan: Plan
  readonly task: PlanTask
  /** Counts from 1. */
  readonly attempt: number
  /** What the tasks before left behind, by id. */
  readonly outcomes: ReadonlyMap<string, TaskOutcome>
  /** Throws when this run no longer holds its lease. */
  readonly fence: () => Promise<void>
  readonly emit: (event: NewRunEvent) => void
  /** A new local folder on the lake's device, gone when the task has ended. */
  readonly scratch: (name: string) => Promise<string>
  readonly signal: AbortSignal
}
