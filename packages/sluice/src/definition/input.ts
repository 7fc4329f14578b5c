/**
 * What a user may write: the shapes of `types.ts` with shorthands, and with everything optional that has a default.
 *
 * The builders return these, JSON and YAML files hold them; `resolve.ts` checks them and fills in what was left out.
 */
import type {
  CdcSource,
  ChangesModel,
  Check,
  CodeModel,
  Column,
  ColumnType,
  ConnectionConfig,
  CsvFormat,
  DmsFiles,
  EachValue,
  FilesSource,
  JsonLinesFormat,
  KeepRow,
  LagLimits,
  Lookup,
  Notifier,
  ParameterValue,
  ParquetFormat,
  PartitionBy,
  PipelineParameter,
  ProcedureSource,
  ProcedureWindow,
  ProjectConfig,
  QuarantineLimits,
  Retention,
  RunRetention,
  S3Config,
  Scd2Columns,
  TableOptions,
  WarehouseConfig,
} from './types.ts'

/** The layers of a pipeline that names none. */
export type DefaultLayers = readonly ['raw', 'stage', 'analytics']

/** `<layer>.<table>`, of the given layers. */
export type TableName<Layer extends string = string> = `${Layer}.${string}`

/** A column: a type's name, or in full. */
export type ColumnInput = ColumnType | Column

/** The columns of a source, by name. */
export interface ColumnsInput {
  readonly [column: string]: ColumnInput
}

/** A file format: its name, or in full. */
export type FormatInput = 'csv' | 'jsonl' | 'parquet' | CsvFormat | JsonLinesFormat | ParquetFormat

/** The columns that a check on a source may name: its own, and those that Sluice adds. */
export type SourceColumn<C> = (keyof C & string) | '_file' | '_file_date' | '_row'

/** What `files()` takes beside the path. */
export interface FilesOptions<C extends ColumnsInput = ColumnsInput>
  extends Partial<
    Pick<
      FilesSource,
      | 'mode'
      | 'fileDate'
      | 'rowNumbers'
      | 'drift'
      | 'duplicateContent'
      | 'changedContent'
      | 'rowCount'
      | 'archive'
      | 'error'
      | 'ready'
      | 'limits'
      | 'description'
    >
  > {
  readonly columns: C
  /** @default by the path's ending: .csv, .jsonl/.ndjson, .parquet */
  readonly format?: FormatInput
  readonly checks?: readonly Check<NoInfer<SourceColumn<C>>>[]
  readonly quarantine?: QuarantineLimits
  readonly key?: {
    readonly columns: readonly NoInfer<SourceColumn<C>>[]
    readonly keep: KeepRow<NoInfer<SourceColumn<C>>>
  }
}

/** A source of files, as it is written. */
export type FilesInput<C extends ColumnsInput = ColumnsInput> = FilesOptions<C> & {
  readonly kind: 'files'
  readonly path: string
}

/** How a database server is reached, as it is written. */
export type ConnectionInput = Pick<ConnectionConfig, 'kind' | 'host' | 'database'> & Partial<ConnectionConfig>

/** What `sqlServer()` takes. */
export type SqlServerOptions = Omit<ConnectionInput, 'kind'>

/** What the other connection builders take. */
export type ConnectionOptions = Omit<
  SqlServerOptions,
  'user' | 'password' | 'tls' | 'login' | 'readOnlyIntent' | 'multiSubnetFailover'
> &
  Required<Pick<ConnectionInput, 'user' | 'password'>> & { readonly tls?: Exclude<ConnectionConfig['tls'], 'strict'> }

/** A parameter's value, as it is written. */
export type ParameterInput =
  | Exclude<ParameterValue, { readonly $runDate: unknown } | { readonly $each: unknown }>
  | { readonly $runDate: { readonly zone?: string } }
  | { readonly $each: Omit<EachValue, 'type'> & { readonly type?: ColumnType } }

/** The parameters of a procedure, as they are written. */
export interface ParametersInput {
  readonly [name: string]: ParameterInput
}

/** The columns that a check on a procedure may name: its own, and those that keep the values that single calls were made for. */
export type ProcedureColumn<C, P> =
  | (keyof C & string)
  | {
      [name in keyof P]: P[name] extends { readonly $each: { readonly as: infer As extends string } } ? As : never
    }[keyof P]

/** A procedure of a list, as it is written. */
export interface ProcedureOptions<C extends ColumnsInput = ColumnsInput, P extends ParametersInput = ParametersInput>
  extends Partial<
    Pick<
      ProcedureSource,
      | 'resultSet'
      | 'evolve'
      | 'mode'
      | 'output'
      | 'messages'
      | 'rowCount'
      | 'quarantine'
      | 'timeoutSeconds'
      | 'description'
    >
  > {
  /** As the server knows it: `dbo.usp_customers`. */
  readonly procedure: string
  /** The table's name. @default the last part of the procedure's, without `usp_`, `sp_` or `get_` before it */
  readonly table?: string
  readonly parameters?: P
  readonly columns: C
  readonly key?: NoInfer<ProcedureColumn<C, P>> | readonly NoInfer<ProcedureColumn<C, P>>[]
  readonly window?: Pick<ProcedureWindow, 'start'> & Partial<ProcedureWindow>
  readonly returnCodes?: readonly number[] | 'any'
  readonly checks?: readonly Check<NoInfer<ProcedureColumn<C, P>>>[]
}

/** A procedure as a source, as it is written. */
export type ProcedureInput<C extends ColumnsInput = ColumnsInput, P extends ParametersInput = ParametersInput> = Omit<
  ProcedureOptions<C, P>,
  'table'
> & {
  readonly kind: 'procedure'
  /** The connection's name in `sluice.config`. */
  readonly connection: string
}

/** Procedures of one connection: in code, or in a YAML or JSON file beside the pipeline. Each becomes a source of its own. */
export interface ProcedureList {
  readonly kind: 'procedures'
  readonly connection: string
  readonly list: string | readonly ProcedureOptions[]
}

/** What `cdc()` takes beside the connection. */
export type CdcOptions = Pick<CdcSource, 'tables'> &
  Partial<Omit<CdcSource, 'kind' | 'connection' | 'tables' | 'snapshot' | 'lag' | 'formerNames'>> & {
    readonly snapshot?: Partial<CdcSource['snapshot']>
    readonly lag?: Partial<LagLimits>
  }

/** Changes as a source, as they are written. */
export type CdcInput = CdcOptions & { readonly kind: 'cdc'; readonly connection: string }

/** What `changes()` takes of every table of changes. */
interface ChangesBase<K extends string, C extends string> {
  /** @default 'current' */
  readonly as?: 'current' | 'history'
  readonly key: K | readonly K[]
  readonly checks?: readonly Check<C>[]
  readonly quarantine?: QuarantineLimits
}

/** What `changes()` takes of a table of a log. */
export interface ChangesOptions<C extends ColumnsInput = ColumnsInput, T extends string = string>
  extends ChangesBase<NoInfer<keyof C & string>, NoInfer<(keyof C & string) | T>> {
  readonly columns: C
  readonly transforms?: { readonly [column in T]: string }
}

/** What `changes()` takes of files that AWS DMS has written. */
export interface DmsOptions extends ChangesBase<string, string> {
  readonly dms: Partial<DmsFiles>
  readonly transforms?: { readonly [column: string]: string }
}

/** A table of changes, as it is written. */
export type ChangesInput = Pick<ChangesModel, 'from' | 'table'> &
  ChangesBase<string, string> & {
    readonly dms?: Partial<DmsFiles>
    readonly columns?: ColumnsInput
    readonly transforms?: { readonly [column: string]: string }
  }

/** A source, as it is written. */
export type SourceInput = FilesInput | ProcedureInput | CdcInput

/** Sources by the table that they fill; a list of procedures has no name of its own, so that two of them never stand in each other's place. */
export interface SourcesInput {
  readonly [table: string]: SourceInput
  readonly [list: symbol]: ProcedureList
}

/** What is declared of a table, as it is written. */
export type TableInput = Omit<TableOptions, 'changes'> & {
  /** Makes the table of changes: it then has no model of its own. */
  readonly changes?: ChangesInput
}

/** How rows that vanished are deleted from the target. */
export type DeletesInput = 'absence' | { readonly column: string; readonly value: string }

/** What every load takes. */
export interface LoadOptions<From extends string = string> {
  /** The lake table that is loaded: `<layer>.<table>`. */
  readonly from: From
  readonly distribute?: string
  readonly sort?: readonly string[]
  readonly description?: string
  readonly timeoutSeconds?: number
}

/** A lookup, as it is written. */
export type LookupInput = Omit<Lookup, 'missing'> & Partial<Lookup>

/** What a load takes that may look up the keys of dimensions. */
export interface FactOptions<From extends string = string> extends LoadOptions<From> {
  /** Surrogate keys of dimensions, by the column that takes them. */
  readonly lookups?: { readonly [column: string]: LookupInput }
}

/** What `upsert` takes. */
export interface UpsertOptions<From extends string = string> extends FactOptions<From> {
  readonly key: string | readonly string[]
  readonly deletes?: DeletesInput
}

/** What `scd2` takes. */
export interface Scd2Options<From extends string = string> extends LoadOptions<From> {
  readonly key: string | readonly string[]
  /** @default all columns but the key, `effective` and `sequence` */
  readonly track?: readonly string[]
  readonly effective?: string
  /** The column with the instant of the snapshot that a row is of; in place of `effective`, `sequence`, `deletes` and `late`. */
  readonly snapshot?: string
  /** For `snapshot`: whether a file without a row is a snapshot, too. @default false */
  readonly allowEmpty?: boolean
  /** For `snapshot`: one with fewer keys than this share of the one before is held until `sluice accept` takes it; 0 takes all. @default 0.5 */
  readonly minShareOfPrevious?: number
  readonly sequence?: string
  readonly deletes?: DeletesInput
  /** @default 'history' */
  readonly late?: 'history' | 'reject'
  /** @default effective_date, expiry_date, is_current_record, surrogate_key */
  readonly columns?: Partial<Scd2Columns>
}

/** A load, as it is written. */
export type LoadInput<From extends string = string> =
  | (FactOptions<From> & { readonly mode: 'replace' })
  | (FactOptions<From> & { readonly mode: 'incremental'; readonly by: string })
  | (FactOptions<From> & { readonly mode: 'append'; readonly batch?: string })
  | (UpsertOptions<From> & { readonly mode: 'upsert' })
  | (Scd2Options<From> & { readonly mode: 'scd2' })

/** A code model, as it is written. */
export type CodeModelInput = Omit<CodeModel, 'columns' | 'bound'> & { readonly columns?: ColumnsInput }

/** What `pipeline()` takes beside the name. */
export interface PipelineOptions<Layer extends string = string, Layers extends readonly string[] = readonly string[]> {
  /** @default ['raw', 'stage', 'analytics'] */
  readonly layers?: Layers
  /** By the name of the table, which lands in the first layer. */
  readonly sources?: SourcesInput
  /** Code models by full name; SQL models are files. */
  readonly models?: { readonly [table in TableName<Layer>]?: CodeModelInput }
  readonly tables?: { readonly [table in TableName<Layer>]?: TableInput }
  /** By the name of the warehouse table. */
  readonly loads?: { readonly [target: string]: LoadInput<TableName<Layer>> }
  /** What a run may be given, by name: a type, or in full. SQL models read it as `getvariable('<name>')`. */
  readonly parameters?: { readonly [name: string]: ColumnType | PipelineParameter }
  readonly schedule?: { readonly cron: string; readonly zone?: string }
  /** @default the project's */
  readonly notifications?: readonly Notifier[]
  readonly description?: string
}

/** A pipeline, as it is written. */
export type PipelineInput = PipelineOptions & { readonly name: string; readonly $schema?: string }

/** A warehouse, as it is written. */
export type WarehouseInput =
  | Extract<WarehouseConfig, { kind: 'duckdb' }>
  /** `schema`: @default 'public' */
  | { readonly kind: 'postgres'; readonly connection: string; readonly schema?: string }

/** What an environment may say in place of the configuration. */
export interface EnvironmentInput {
  /** Where it runs. `aws` is for a later version. @default 'local' */
  readonly target?: 'local' | 'aws'
  /** A path below the project or `s3://bucket/prefix`, or in full. @default { path: 'lake', retention: { versions: 10, days: 7 } } */
  readonly lake?: string | { readonly path?: string; readonly retention?: Retention }
  /** How buckets are reached, where a path begins with `s3://`. */
  readonly s3?: S3Config
  /** @default duckdb('warehouse.duckdb') */
  readonly warehouse?: WarehouseInput
  /** Database servers that sources call, by the name that sources use. @default {} */
  readonly connections?: { readonly [name: string]: ConnectionInput }
  readonly engine?: Partial<ProjectConfig['engine']>
  /** Tasks at a time. @default 2 */
  readonly concurrency?: number
  /** Records of runs that stay, whichever keeps more. @default { runs: 1000, days: 30 } */
  readonly runRetention?: RunRetention
  readonly notifications?: readonly Notifier[]
}

/** `sluice.config.ts`, as it is written. */
export interface ConfigInput extends Omit<EnvironmentInput, 'target'> {
  readonly $schema?: string
  readonly name: string
  /** @default 'pipelines' */
  readonly pipelines?: string
  /**
   * What is different elsewhere, by the name that `--env` chooses. A lake's path and retention and the engine's options are replaced one by
   * one, connections by their names, all else as a whole.
   */
  readonly environments?: { readonly [name: string]: EnvironmentInput }
}

export type { PartitionBy }
