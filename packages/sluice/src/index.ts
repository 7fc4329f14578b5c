/**
 * What a user imports from 'sluice': to write a definition, builders and the types of what they return; to read an opened project, `openReads`.
 *
 * Nothing here does any work, so that a definition can be loaded anywhere.
 */
export type { ErrorName, Location, Problem } from './base/errors.ts'
export { isSluiceError, SluiceError } from './base/errors.ts'
export { cdc, changes } from './definition/builders/cdc.ts'
export {
  type Bounds,
  type CheckOf,
  type CountBounds,
  format,
  freshness,
  grain,
  length,
  notNull,
  oneOf,
  pattern,
  range,
  reconcile,
  reference,
  row,
  rowCount,
  sum,
  unique,
} from './definition/builders/checks.ts'
export {
  boolean,
  type ColumnOptions,
  column,
  date,
  decimal,
  nullable,
  timestamp,
  timestamptz,
} from './definition/builders/columns.ts'
export { type ConnectionOf, mysql, postgres, sqlServer } from './definition/builders/connections.ts'
export {
  append,
  byValue,
  incremental,
  type LoadOf,
  replace,
  scd2,
  upsert,
  yearMonth,
} from './definition/builders/loads.ts'
export { type NotifyOptions, notify } from './definition/builders/notify.ts'
export {
  defineConfig,
  duckdb,
  type ModelOptions,
  model,
  pipeline,
  postgresWarehouse,
} from './definition/builders/pipeline.ts'
export {
  each,
  parameter,
  procedures,
  runDate,
  runParameter,
  windowFrom,
  windowTo,
} from './definition/builders/procedures.ts'
export { csv, files, jsonl, parquet } from './definition/builders/sources.ts'
export type {
  CdcInput,
  CdcOptions,
  ChangesInput,
  ChangesOptions,
  ColumnInput,
  ColumnsInput,
  ConfigInput,
  ConnectionInput,
  ConnectionOptions,
  DefaultLayers,
  DeletesInput,
  DmsOptions,
  FactOptions,
  FilesInput,
  FilesOptions,
  FormatInput,
  LoadInput,
  LoadOptions,
  LookupInput,
  ParameterInput,
  ParametersInput,
  PipelineInput,
  PipelineOptions,
  ProcedureColumn,
  ProcedureInput,
  ProcedureList,
  ProcedureOptions,
  Scd2Options,
  SourceColumn,
  SourceInput,
  SourcesInput,
  SqlServerOptions,
  TableInput,
  TableName,
  UpsertOptions,
} from './definition/input.ts'
export { env, secret } from './definition/problems/references.ts'
export type * from './definition/types.ts'
export { openReads, owner, type Reader, type Reads } from './query/reads.ts'
