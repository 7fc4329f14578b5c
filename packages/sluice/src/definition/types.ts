/**
 * What a user writes, as plain data: the builders return these shapes, JSON and YAML files hold them, zod checks them.
 *
 * Terminology: a **project** is a `sluice.config.ts` and its pipelines; a **pipeline** has **sources** (which land in its first layer),
 * **models** (SQL files or functions that make a **table** of a later layer), **checks**, and **loads** into the **warehouse**.
 * A table's full name is `<layer>.<table>` and is unique in a project.
 */

import type { CdcSource, ChangesModel, Lookup } from './cdc/types.ts'
import type { Check, Column, ColumnType, EnvReference, SecretReference, TextOrReference } from './contract-types.ts'
import type { FilesSource } from './file-types.ts'
import type { ConnectionConfig, ProcedureSource } from './procedures/types.ts'

export type * from './cdc/types.ts'
export type * from './contract-types.ts'
export type * from './file-types.ts'
export type * from './procedures/types.ts'

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

/**
 * What stays of a table: the newest so many versions and those of the last so many days, whichever keeps more. Without either it is what the lake
 * says.
 */
export interface Retention {
  readonly versions?: number
  readonly days?: number
  /** Refused rows that are older are removed from quarantine by the next run or `sluice clean`, which say how many. @default they stay */
  readonly quarantineDays?: number
}

/** Records of runs that stay: of the newest so many and those of the last so many days, whichever keeps more, and those that a kept record names. */
export interface RunRetention {
  readonly runs?: number
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
      /**
       * The column with the instant of the snapshot that a row is of: the table holds the rows of all instants, and a key that the next snapshot lacks
       * was deleted then. In place of `effective`, `sequence`, `deletes` and `late`.
       */
      readonly snapshot?: string
      /** For `snapshot`: whether a file without a row is a snapshot, after which nothing holds any more. @default false: as if it were missing */
      readonly allowEmpty?: boolean
      /**
       * For `snapshot`: the least share of the keys of the snapshot before. One with fewer is held: it does not count until it is accepted by hand.
       * @default 0.5
       */
      readonly minShareOfPrevious?: number
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

/** A parameter of a pipeline's runs. */
export interface PipelineParameter {
  /** `text`, `integer`, `bigint`, `decimal(p,s)`, `float`, `boolean`, `date` or `timestamp`. */
  readonly type: ColumnType
  /** What it is where a run gives no value; without it, a run has to. */
  readonly default?: string | number | boolean
  readonly description?: string
}

/** A parameter that a model uses, with its value in a run as text; null while it has none. */
export interface BoundParameter {
  readonly name: string
  readonly type: ColumnType
  readonly value: string | null
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
  /** The parameters of the pipeline that it uses. */
  readonly parameters?: readonly string[]
  /** Their values in a run; never written by hand. */
  readonly bound?: readonly BoundParameter[]
  readonly make: (
    inputs: { readonly [table: string]: ModelInput },
    /** Numbers and booleans as such; decimals, wide integers, dates and times as text. */
    parameters: { readonly [name: string]: string | number | boolean | null },
  ) => Promise<string | readonly Record<string, unknown>[]> | string | readonly Record<string, unknown>[]
}

/** A SQL model: one SELECT. */
export interface SqlModel {
  readonly kind: 'sql'
  readonly sql: string
  /** Relative to the project; for messages. */
  readonly file: string
  /** The values in a run of the parameters that it names. */
  readonly bound?: readonly BoundParameter[]
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
  /** What a run may be given, by name; SQL models read it as `getvariable('<name>')`. */
  readonly parameters?: { readonly [name: string]: PipelineParameter }
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

/** The environment that a command works in. */
export interface EnvironmentChoice {
  readonly name: string
  /** Where it runs. */
  readonly target: 'local' | 'aws'
  /** Where its runs, leases and caches are kept, below the project. */
  readonly state: string
}

/** How buckets are reached; credentials are found as the AWS CLI finds them. */
export interface S3Config {
  /** @default the SDK's: AWS_REGION, the profile */
  readonly region?: string
  /** Of a store that is not Amazon's. */
  readonly endpoint?: string
  /** Whether the bucket is in the path, and not in the name of the host. @default true with an endpoint */
  readonly pathStyle?: boolean
  /**
   * What makes a delivery that one: the id of its version, which needs a bucket with versioning; or its ETag, size and time.
   * @default 'version'
   */
  readonly identity?: 'version' | 'content'
}

/** `sluice.config.ts`, in full. */
export interface ProjectConfig {
  readonly name: string
  /** The folder of pipelines. @default 'pipelines' */
  readonly pipelines: string
  /** A folder below the project, or `s3://bucket/prefix`. */
  readonly lake: { readonly path: string; readonly retention: Retention }
  /** How buckets are reached. @default as the AWS SDK finds its region */
  readonly s3?: S3Config
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
  readonly runRetention: RunRetention
  readonly notifications: readonly Notifier[]
  /** The one that was chosen, whose values these are. */
  readonly environment?: EnvironmentChoice
}

/** A project with all of its pipelines, ready to be planned. */
export interface Project {
  readonly config: ProjectConfig
  readonly pipelines: readonly Pipeline[]
}
