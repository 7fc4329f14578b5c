/** What stands where nothing was written. Every default of a definition is in this file, and nowhere else. */

import { type Problem, problem } from '../base/errors.ts'
import { digest } from '../base/json.ts'
import { capturedName } from './cdc/rules.ts'
import type {
  CdcInput,
  ChangesInput,
  CodeModelInput,
  ColumnInput,
  ColumnsInput,
  ConfigInput,
  ConnectionInput,
  FilesInput,
  FormatInput,
  LoadInput,
  ParameterInput,
  PipelineInput,
  ProcedureInput,
  SourceInput,
  TableInput,
} from './input.ts'
import type { Places } from './problems/places.ts'
import type {
  CdcSource,
  CodeModel,
  Column,
  ColumnType,
  ConnectionConfig,
  FileFormat,
  FilesSource,
  LagLimits,
  Load,
  Lookup,
  ParameterValue,
  Pipeline,
  ProcedureSource,
  ProjectConfig,
  QuarantineLimits,
  Retention,
  Scd2Columns,
  Source,
  TableOptions,
  WarehouseConfig,
} from './types.ts'

/** The layers of a pipeline that names none. */
export const defaultLayers = ['raw', 'stage', 'analytics'] as const

/** The names of SCD2's own columns. */
export const defaultScd2Columns: Scd2Columns = {
  effective: 'effective_date',
  expiry: 'expiry_date',
  current: 'is_current_record',
  surrogate: 'surrogate_key',
}

/** More refused rows than these, and the file is refused as a whole (faults.md, conventions: 1 % or 1,000 rows). */
export const defaultQuarantine = { maxShare: 0.01, maxRows: 1000 } as const

/**
 * Completes a checked configuration.
 *
 * @example fillConfig({ name: 'shop' }).pipelines // 'pipelines'
 */
export function fillConfig(input: ConfigInput): ProjectConfig {
  const lake = typeof input.lake === 'string' ? { path: input.lake } : input.lake
  return {
    name: input.name,
    pipelines: input.pipelines ?? 'pipelines',
    lake: { path: lake?.path ?? 'lake', retention: ownRetention(lake?.retention, { versions: 10, days: 7 }) },
    ...(input.s3 === undefined ? {} : { s3: input.s3 }),
    warehouse: fillWarehouse(input.warehouse),
    connections: mapValues(input.connections ?? {}, fillConnection),
    engine: { ...input.engine, memoryLimit: input.engine?.memoryLimit ?? '1GB' },
    concurrency: input.concurrency ?? 2,
    runRetention: input.runRetention ?? { runs: 1000, days: 30 },
    notifications: input.notifications ?? [],
  }
}

/**
 * A table's own retention, and that of all where it says nothing: of versions, and of refused rows.
 *
 * @example ownRetention({ quarantineDays: 90 }, { versions: 10, days: 7 }) // { versions: 10, days: 7, quarantineDays: 90 }
 */
export function ownRetention(own: Retention = {}, all: Retention): Retention {
  const { quarantineDays = all.quarantineDays } = own
  const { versions, days } = own.versions === undefined && own.days === undefined ? all : own
  return {
    ...(versions === undefined ? {} : { versions }),
    ...(days === undefined ? {} : { days }),
    ...(quarantineDays === undefined ? {} : { quarantineDays }),
  }
}

function fillWarehouse(input: ConfigInput['warehouse']): WarehouseConfig {
  if (input === undefined) return { kind: 'duckdb', path: 'warehouse.duckdb' }
  return input.kind === 'postgres' ? { ...input, schema: input.schema ?? 'public' } : input
}

/** The usual port of each kind of server. */
export const defaultPorts = { sqlserver: 1433, postgres: 5432, mysql: 3306 } as const

function fillConnection(input: ConnectionInput): ConnectionConfig {
  // The host of a SQL Server may bring a port or an instance along, and what is only referred to is read when it is used.
  const { host, kind } = input
  const own = kind === 'sqlserver' && (typeof host !== 'string' || /[\\,]/.test(host))
  return {
    ...input,
    ...(own ? {} : { port: input.port ?? defaultPorts[kind] }),
    tls: input.tls ?? 'verified',
    maxConnections: input.maxConnections ?? 4,
    connectTimeoutSeconds: input.connectTimeoutSeconds ?? 15,
  }
}

/**
 * Completes a checked pipeline; its models are still only those in code.
 *
 * @param project the project's name, which is in names that others on a server see
 * @example fillPipeline({ name: 'retail' }, noPlaces('pipeline.ts')).pipeline.layers // ['raw', 'stage', 'analytics']
 */
export function fillPipeline(
  input: PipelineInput,
  places: Places,
  project?: string,
): { readonly pipeline: Pipeline; readonly problems: readonly Problem[] } {
  const problems: Problem[] = []
  const { schedule, sources: written = {} } = input
  const raw = `${(input.layers ?? defaultLayers)[0]}.`
  const typeOf = (table: string, column: string): ColumnType | undefined => {
    const name = table.slice(raw.length)
    const source = table.startsWith(raw) && Object.hasOwn(written, name) ? written[name] : undefined
    if (source === undefined || source.kind === 'cdc' || !Object.hasOwn(source.columns, column)) return undefined
    return fillColumn(source.columns[column]!).type
  }
  const sources = mapValues<SourceInput, Source>(written, (source, table) => {
    if (source.kind === 'cdc') return fillCdc(table, source, project)
    return source.kind === 'procedure' ? fillProcedure(source, typeOf) : fillFiles(table, source, places, problems)
  })
  const pipeline: Pipeline = {
    name: input.name,
    file: places.file,
    layers: input.layers ?? defaultLayers,
    sources,
    models: mapValues(input.models ?? {}, (model) => fillModel(model!)),
    tables: mapValues(input.tables ?? {}, (table) => fillTable(table!, (from) => sources[from.slice(raw.length)])),
    loads: mapValues(input.loads ?? {}, fillLoad),
    ...(input.parameters === undefined
      ? {}
      : { parameters: mapValues(input.parameters, (one) => (typeof one === 'string' ? { type: one } : one)) }),
    ...(schedule === undefined ? {} : { schedule: { cron: schedule.cron, zone: schedule.zone ?? 'UTC' } }),
    notifications: input.notifications ?? [],
    ...(input.description === undefined ? {} : { description: input.description }),
  }
  return { pipeline, problems }
}

function fillFiles(table: string, input: FilesInput, places: Places, problems: Problem[]): FilesSource {
  const format = fillFormat(input.format, input.path)
  if (format === undefined) {
    const expected = `csv, jsonl or parquet, as the ending of "${input.path}" does not tell`
    const at = places.at(['sources', table, 'path'], input.path)
    problems.push(problem('Definition.MissingKey', { where: `sources.${table}`, key: 'format', expected }, { at }))
  }
  return {
    ...input,
    columns: fillColumns(input.columns),
    format: format ?? { kind: 'csv' },
    mode: input.mode ?? 'append',
    checks: input.checks ?? [],
    quarantine: fillQuarantine(input.quarantine),
    duplicateContent: input.duplicateContent ?? 'skip',
    changedContent: input.changedContent ?? 'append',
    archive: input.archive ?? beside(input.path, `archive/${table}`),
    error: input.error ?? beside(input.path, `error/${table}`),
  }
}

function fillProcedure(
  input: ProcedureInput,
  typeOf: (table: string, column: string) => ColumnType | undefined,
): ProcedureSource {
  const { window, key, ...rest } = input
  const changes = key === undefined ? 'append' : 'merge'
  return {
    ...rest,
    parameters: mapValues(input.parameters ?? {}, (value) => fillParameter(value, typeOf)),
    columns: fillColumns(input.columns),
    resultSet: input.resultSet ?? 1,
    evolve: input.evolve ?? 'none',
    mode: input.mode ?? (window === undefined ? 'replace' : changes),
    ...(key === undefined ? {} : { key: listed(key) }),
    ...(window === undefined ? {} : { window: { zone: 'UTC', overlapSeconds: 0, lagSeconds: 0, ...window } }),
    output: input.output ?? {},
    returnCodes: input.returnCodes ?? [0],
    messages: input.messages ?? 'record',
    checks: input.checks ?? [],
    quarantine: fillQuarantine(input.quarantine),
    timeoutSeconds: input.timeoutSeconds ?? 600,
  }
}

function fillParameter(
  value: ParameterInput,
  typeOf: (table: string, column: string) => ColumnType | undefined,
): ParameterValue {
  if (typeof value !== 'object' || value === null) return value
  if ('$runDate' in value) return { $runDate: { zone: value.$runDate.zone ?? 'UTC' } }
  if (!('$each' in value)) return value
  const { table, column, type } = value.$each
  return { $each: { ...value.$each, type: type ?? typeOf(table, column) ?? 'text' } }
}

/** A name that all who use a server share: of one spelling whatever is quoted, and within what the server allows. */
function serverName(project: string, table: string): string {
  const name = `sluice_${project}_${table}`.toLowerCase().replace(/[^a-z0-9_]/g, '_')
  return name.length <= 63 ? name : `${name.slice(0, 54)}_${digest({ project, table }).slice(0, 8)}`
}

function fillCdc(table: string, input: CdcInput, project: string | undefined): CdcSource {
  const former = {
    ...(input.slot === undefined && { slot: `sluice_${table.toLowerCase()}`.slice(0, 63) }),
    ...(input.publication === undefined && { publication: `sluice_${table}`.slice(0, 63) }),
  }
  const name = project === undefined ? undefined : serverName(project, table)
  return {
    ...input,
    tables: input.tables.map(capturedName),
    slot: input.slot ?? name ?? former.slot!,
    publication: input.publication ?? name ?? former.publication!,
    ...(name !== undefined && Object.keys(former).length > 0 && { formerNames: former }),
    partitionBy: input.partitionBy ?? 'day',
    truncate: input.truncate ?? 'apply',
    failover: input.failover ?? false,
    snapshot: { connections: input.snapshot?.connections ?? 2, chunkPages: input.snapshot?.chunkPages ?? 8192 },
    maxBatchRows: input.maxBatchRows ?? 1_000_000,
    maxBatchBytes: input.maxBatchBytes ?? 256 * 2 ** 20,
    memoryBytes: input.memoryBytes ?? 64 * 2 ** 20,
    spillBytes: input.spillBytes ?? 16 * 2 ** 30,
    heartbeatSeconds: input.heartbeatSeconds ?? 60,
    lag: fillLag(input.lag ?? {}),
  }
}

/** A limit that is given moves the other of its kind along, where that would be on its wrong side. */
function fillLag({
  warnBytes,
  alertBytes,
  warnSeconds,
  alertSeconds,
  repeatSeconds = 86_400,
}: Partial<LagLimits>): LagLimits {
  return {
    warnBytes: warnBytes ?? Math.min(2 ** 28, alertBytes ?? 2 ** 28),
    alertBytes: alertBytes ?? Math.max(2 ** 30, warnBytes ?? 0),
    warnSeconds: warnSeconds ?? Math.min(300, alertSeconds ?? 300),
    alertSeconds: alertSeconds ?? Math.max(1800, warnSeconds ?? 0),
    repeatSeconds,
  }
}

function fillTable(input: TableInput, sourceOf: (table: string) => Source | undefined): TableOptions {
  const { changes, ...options } = input
  return changes === undefined ? options : { ...options, changes: fillChanges(changes, sourceOf(changes.from)) }
}

function fillChanges(input: ChangesInput, source: Source | undefined): NonNullable<TableOptions['changes']> {
  const { table, dms, columns } = input
  const told = dms && { op: dms.op ?? 'Op', ...(dms.committedAt && { committedAt: dms.committedAt }) }
  const delivered = told !== undefined && source?.kind === 'files' ? source.columns : {}
  const own = Object.entries(delivered).filter(([name]) => name !== told?.op && name !== told?.committedAt)
  return {
    from: input.from,
    ...(table === undefined ? {} : { table: capturedName(table) }),
    ...(told === undefined ? {} : { dms: told }),
    as: input.as ?? 'current',
    key: listed(input.key),
    columns: told === undefined ? fillColumns(columns ?? {}) : Object.fromEntries(own),
    transforms: input.transforms ?? {},
    checks: input.checks ?? [],
    quarantine: fillQuarantine(input.quarantine),
  }
}

function fillModel({ columns, ...model }: CodeModelInput): CodeModel {
  return columns === undefined ? model : { ...model, columns: fillColumns(columns) }
}

function fillColumns(columns: ColumnsInput): { readonly [column: string]: Column } {
  return mapValues(columns, fillColumn)
}

function fillColumn(input: ColumnInput): Column {
  const column = typeof input === 'string' ? { type: input } : input
  return { ...column, type: column.type.replaceAll(' ', '') as ColumnType }
}

function fillFormat(format: FormatInput | undefined, path: string): FileFormat | undefined {
  if (typeof format === 'object') return format
  const kind = format ?? kindOf(path)
  return kind === undefined ? undefined : { kind }
}

function kindOf(path: string): FileFormat['kind'] | undefined {
  if (/\.csv(\.gz|\.zst)?$/i.test(path)) return 'csv'
  if (/\.(jsonl|ndjson)(\.gz|\.zst)?$/i.test(path)) return 'jsonl'
  return /\.parquet$/i.test(path) ? 'parquet' : undefined
}

function fillQuarantine(limits: QuarantineLimits | undefined): QuarantineLimits {
  if (limits?.maxShare !== undefined) return limits
  return { ...defaultQuarantine, ...limits }
}

/** A folder beside the one that the path's files lie in. */
function beside(path: string, folder: string): string {
  const bucket = /^s3:\/\/[^/]+\//.exec(path)?.[0] ?? ''
  const inbox = inboxOf(path.slice(bucket.length))
  return bucket + [...inbox.split('/').slice(0, -1), folder].filter((part) => part !== '').join('/')
}

/**
 * The folder that a source's files lie in: the part of its path before any pattern.
 *
 * @example inboxOf('inbox/sales_*.csv') // 'inbox'
 */
export function inboxOf(path: string): string {
  const folders = path.replace(/^\.\//, '').split('/').slice(0, -1)
  const pattern = folders.findIndex((folder) => /[*?]/.test(folder))
  return (pattern < 0 ? folders : folders.slice(0, pattern)).join('/')
}

function fillLoad(input: LoadInput): Load {
  if (input.mode === 'scd2')
    return { ...input, key: listed(input.key), columns: { ...defaultScd2Columns, ...input.columns } }
  const { lookups, ...load } = input
  const lookedUp: { readonly lookups?: { readonly [column: string]: Lookup } } =
    lookups === undefined
      ? {}
      : { lookups: mapValues(lookups, (lookup) => ({ ...lookup, missing: lookup.missing ?? 'fail' })) }
  return load.mode === 'upsert' ? { ...load, ...lookedUp, key: listed(load.key) } : { ...load, ...lookedUp }
}

function listed(key: string | readonly string[]): readonly string[] {
  return typeof key === 'string' ? [key] : key
}

function mapValues<A, B>(
  record: { readonly [key: string]: A },
  map: (value: A, key: string) => B,
): { [key: string]: B } {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]))
}
