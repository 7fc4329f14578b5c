/** The one entry to what a project shows: rows, counts, statistics and names, all as one reader may see them. */
import { type OpenProject, type ReadContext, readContext } from '../run/api.ts'
import type { CatalogEntry } from './catalog.ts'
import type { Lineage } from './lineage.ts'
import type { TableCheck } from './quality.ts'
import type { RefusedBytes, TableQuarantine } from './quarantine.ts'
import { type Reader, seenBy } from './reader.ts'
import type { QueryOptions, QueryResult, QueryStream } from './run-query.ts'
import type { TableName } from './tables.ts'
import type { TableVersion } from './versions.ts'

export { agedOutText } from '../run/ledger/events.ts'
export type { CatalogEntry } from './catalog.ts'
export type { Lineage, LineageEdge } from './lineage.ts'
export type { TableCheck } from './quality.ts'
export type { QuarantinedRow, RefusedBytes, TableQuarantine } from './quarantine.ts'
export { owner, type Reader } from './reader.ts'
export type { QueryOptions, QueryResult, QueryStream, Row } from './run-query.ts'
export type { TableName } from './tables.ts'
export type { TableVersion } from './versions.ts'

/** What a reader may ask of a project. Every answer is plain data; nothing is changed by asking. */
export interface Reads {
  readonly reader: Reader
  /** The table that a name means. @throws Definition.UnknownTable with the nearest name */
  table(name: string): Promise<TableName>
  /** Runs one reading statement and gives up to `limit` rows of it. @throws Query.NotReadOnly, Query.Failed, Lake.FileCorrupt */
  query(sql: string, options?: QueryOptions): Promise<QueryResult>
  /** Runs one reading statement and hands its rows on as they come. @throws as `query` */
  stream<T>(sql: string, options: Pick<QueryOptions, 'signal'>, use: (stream: QueryStream) => Promise<T>): Promise<T>
  /** Rows of a table, as it is or as a version left it. @throws Query.NothingYet, Query.UnknownVersion, Definition.UnknownTable */
  preview(table: string, options?: QueryOptions & { readonly version?: number }): Promise<QueryResult>
  /** Every table, and what is known of each. */
  catalog(): Promise<readonly CatalogEntry[]>
  /** The versions of a table that are kept, the newest first. @throws Definition.UnknownTable */
  versions(table: string): Promise<readonly TableVersion[]>
  /** Compares a version's files with what was committed. @throws Lake.FileCorrupt, Query.NothingYet, Query.UnknownVersion */
  verify(table: string, version?: number): Promise<void>
  /** Where other engines find a table of the lake as an Iceberg table; undefined of one without a version, and of the warehouse's. */
  iceberg(table: string): ReturnType<ReadContext['iceberg']>
  /** What has been loaded into the warehouse, as its ledger has it. */
  loads(): ReturnType<ReadContext['loads']>
  /** Where a table or a column comes from and goes to. @throws Cli.UnknownName with the nearest name */
  lineage(name: string): Promise<Lineage>
  /** Results of checks on newest versions, the worst first. @throws Definition.UnknownTable */
  quality(table?: string): Promise<readonly TableCheck[]>
  /** What was refused, with reasons and a few rows. @throws Definition.UnknownTable */
  quarantine(
    table: string | undefined,
    options: { readonly samples: number; readonly signal?: AbortSignal },
  ): Promise<readonly TableQuarantine[]>
  /** Refused rows as they were delivered. @throws Definition.UnknownTable */
  refused(table: string, signal?: AbortSignal): AsyncIterable<RefusedBytes>
  /** Runs, the newest first. */
  runs(limit?: number): ReturnType<ReadContext['runs']>
  /** One run, or the last one. @throws Cli.UnknownName with the newest runs */
  run(id: string | undefined): Promise<Awaited<ReturnType<ReadContext['runs']>>[number]>
  /** What a run told, of all its tasks or of one. @throws Run.NotFound */
  events(runId: string, task?: string): ReturnType<ReadContext['events']>
  /** A run's log, as text. @throws Run.NotFound */
  log(runId: string, task?: string): Promise<string>
}

// Whoever opens reads pays for the questions that it asks: each is imported when it is asked.
const queries = (): Promise<typeof import('./run-query.ts')> => import('./run-query.ts')
const tables = (): Promise<typeof import('./tables.ts')> => import('./tables.ts')
const versions = (): Promise<typeof import('./versions.ts')> => import('./versions.ts')
const quarantines = (): Promise<typeof import('./quarantine.ts')> => import('./quarantine.ts')
const runs = (): Promise<typeof import('./runs.ts')> => import('./runs.ts')

/**
 * Opens a project to a reader. It ends with the project; there is nothing to close.
 *
 * @example
 * const reads = openReads(project, owner())
 * const { rows } = await reads.query('SELECT count(*) AS n FROM raw.sales')
 */
export function openReads(project: Pick<OpenProject, typeof readContext>, reader: Reader): Reads {
  const seen = seenBy(reader, project[readContext])
  return {
    reader,
    table: async (name) => (await tables()).resolveTable(seen, name),
    query: async (sql, options) => (await queries()).runQuery(seen, sql, options),
    stream: async (sql, options, use) => (await queries()).withQuery(seen, sql, options, use),
    preview: async (table, options) => (await tables()).previewTable(seen, table, options),
    catalog: async () => (await import('./catalog.ts')).describeCatalog(seen),
    versions: async (table) => (await versions()).versionsOf(seen, table),
    verify: async (table, version) => (await versions()).verifyVersion(seen, table, version),
    iceberg: (table) => seen.iceberg(table),
    loads: () => seen.loads(),
    lineage: async (name) => (await import('./lineage.ts')).lineageOf(seen, name),
    quality: async (table) => (await import('./quality.ts')).qualityOf(seen, table),
    quarantine: async (table, options) => (await quarantines()).quarantineOf(seen, table, options),
    async *refused(table, signal) {
      yield* (await quarantines()).exportRefused(seen, table, signal)
    },
    runs: (limit) => seen.runs(limit),
    run: async (id) => (await runs()).runNamed(seen, id),
    events: async (runId, task) => (await runs()).eventsOf(seen, runId, task),
    log: (runId, task) => seen.log(runId, task),
  }
}
