/** The plan: what would run and why. Plain data, stable, serialisable; made by `build.ts`, printed by `explain.ts`. */
import type { Problem } from '../base/errors.ts'
import type { Json } from '../base/json.ts'
import type { ParameterValues } from '../definition/parameters.ts'
import type { PlacesOf } from '../definition/problems/known-names.ts'
import type { Unread } from '../definition/problems/sound-part.ts'
import type { Project } from '../definition/types.ts'
import type { ColumnLineage, SqlAnalysis } from '../sql/analysis.ts'

export type TaskKind = 'ingest' | 'model' | 'load'

/** What a command does, as the one task of a run. */
export type CommandKind = 'rollback' | 'dismiss' | 'resnapshot' | 'accept' | 'accept-snapshot'

/** A column as planned or as committed. */
export interface PlanColumn {
  readonly name: string
  readonly type: string
  readonly nullable: boolean
}

/** A change between the committed and the planned schema. `lossy` and `destructive` need an approval. */
export interface SchemaChange {
  readonly column: string
  readonly change: 'added' | 'removed' | 'retyped' | 'renamed' | 'nullability'
  readonly class: 'additive' | 'widening' | 'lossy' | 'destructive'
  readonly from?: string
  readonly to?: string
}

/** Why a task will, or won't, run. */
export type TaskReason =
  | 'first-run'
  | 'new-input'
  | 'every-run'
  | 'changed-definition'
  | 'upstream-runs'
  | 'forced'
  | 'target-changed'
  | 'unchanged'
  | 'not-selected'
  | 'no-input'
  | 'needs-approval'

/** An input of a task: at a committed version, or as another task of this run will leave it. */
export interface TaskInput {
  readonly table: string
  readonly version: number | 'this-run' | 'none'
}

/** One unit of work; a function of its inputs. */
export interface PlanTask {
  /** `<kind>:<table or target>`: stable across runs. */
  readonly id: string
  readonly kind: TaskKind | CommandKind
  readonly pipeline: string
  /** The layer's name; `warehouse` for loads. */
  readonly layer: string
  /** `<layer>.<table>`, or the target of a load. */
  readonly table: string
  /** Tasks of earlier waves of this layer come first; counts from 0. */
  readonly wave: number
  /** Ids of the tasks whose results it reads. */
  readonly dependsOn: readonly string[]
  readonly inputs: readonly TaskInput[]
  readonly action: 'run' | 'skip'
  readonly reason: TaskReason
  /** The reason in words: which files, which table, which part of the definition. */
  readonly detail: string
  /** The digest of everything declared that decides the result. */
  readonly definition: string
  readonly columns: readonly PlanColumn[]
  readonly schemaChanges: readonly SchemaChange[]
  readonly lineage: readonly ColumnLineage[]
  readonly warnings: readonly string[]
  readonly timeoutSeconds: number
  /** Loads: whether drift of the target that can lose data is approved for this run. */
  readonly approved?: boolean
  /** Loads: whether the target is to be written again from the lake. */
  readonly forced?: boolean
  /** Of a command: what it is to do. */
  readonly command?: Json
  /** Ingest: the delivered paths of refused rows, of which alone a replay takes. */
  readonly replay?: readonly string[]
  /** The committed version of the table, or the loaded version of the target. */
  readonly current?: number
  /** The rows of that version of the table. */
  readonly rows?: number
  /** Bytes of older files that a run writes again, because Iceberg v2 does not read their types as the new ones. */
  readonly rewriteBytes?: number
  /** What the source found, for ingest tasks: how many files of how many bytes will be taken. */
  readonly intake?: {
    readonly take: number
    readonly bytes: number
    readonly known: number
    readonly waiting: number
    readonly refuse: number
    /** What looks like an input and is none, in words. */
    readonly passed?: readonly string[]
  }
}

/** The whole plan. */
export interface Plan {
  readonly format: 1
  readonly project: string
  /** The digest of all tasks' definitions: a run pins it. */
  readonly definition: string
  /** The values of the run, where pipelines declare parameters. */
  readonly parameters?: ParameterValues
  /** Layers in order, `warehouse` last; each with its waves of task ids. */
  readonly layers: readonly { readonly name: string; readonly waves: readonly (readonly string[])[] }[]
  /** In execution order. */
  readonly tasks: readonly PlanTask[]
}

/** What the planner knows of a committed table. */
export interface TableState {
  readonly version: number
  readonly definition: string
  readonly columns: readonly PlanColumn[]
  /** The table versions it was made from. */
  readonly inputs: readonly { readonly table: string; readonly version: number }[]
  readonly rows: number
  /** Where the next version keeps files that it cannot keep as they are: their bytes. */
  readonly rewriteBytes?: number
}

/** A snapshot that does not count: it has too few keys to be believed, and nobody has accepted it. */
export interface HeldSnapshot {
  /** As the engine writes it: `2026-03-02`. */
  readonly instant: string
  readonly keys: number
  /** The keys of the last snapshot before it that counts. */
  readonly before: number
}

/** What the planner knows of a load's target. */
export interface TargetState {
  readonly version: number
  readonly definition: string
  /** Whose load it was. */
  readonly run?: string
  /** The snapshots that it held and that nobody has accepted since. */
  readonly held?: readonly HeldSnapshot[]
  /** The instants of those that were accepted since. */
  readonly accepted?: readonly string[]
  /** How it is not as that load left it, in words; `isKnown` where a load has reported it already. */
  readonly changed?: { readonly detail: string; readonly isKnown: boolean }
}

/** Everything that `buildPlan` reads; no I/O of its own. */
export interface PlanInput {
  /** With the values of the run in its models and calls. */
  readonly project: Project
  readonly parameters?: ParameterValues
  /** Where its pieces stand. @default by their file alone */
  readonly places?: PlacesOf
  /** What of it could not be read: nothing is said of that. */
  readonly unread?: Unread
  /** By model table: dependencies, lineage, problems. */
  readonly analysis: { readonly [table: string]: SqlAnalysis }
  /** Output columns of every table, sources and models. */
  readonly columns: { readonly [table: string]: readonly PlanColumn[] }
  readonly tables: { readonly [table: string]: TableState }
  readonly targets: { readonly [target: string]: TargetState }
  /** Of a target the others that its foreign keys in the warehouse name: they are loaded before it. */
  readonly references?: { readonly [target: string]: readonly string[] }
  /** By source table: what discovery found. */
  readonly intake: { readonly [table: string]: NonNullable<PlanTask['intake']> }
  readonly options: {
    /** Selectors: `stage.sales`, `+fact_sales`, `retail:*`; empty for everything. */
    readonly select: readonly string[]
    readonly exclude: readonly string[]
    /** Tables and targets whose lossy or destructive schema changes are approved; `*` for all. */
    readonly approve: readonly string[]
    /** Run even what is unchanged. */
    readonly force: boolean
  }
}

/**
 * The plan with what is wrong with the definition; a run refuses to start with an error among the problems, but for `Plan.NeedsApproval`:
 * that one stops its table and what is made from it, and the others go on.
 */
export interface PlanResult {
  readonly plan: Plan
  readonly problems: readonly Problem[]
}
