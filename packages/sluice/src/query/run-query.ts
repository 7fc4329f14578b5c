/** Runs a person's SQL over a project: checked, in a locked session, with exact values. */
import { sep } from 'node:path'
import { isSluiceError, sluiceError } from '../base/errors.ts'
import type { EngineColumn, Session } from '../engines/engine.ts'
import type { ReadContext } from '../run/api.ts'
import { localLake } from '../run/places.ts'
import { quoteText } from '../sql/quote.ts'
import { assertReadOnly } from './read-only.ts'
import { wordsOf } from './reading.ts'

/** How much is read. */
export interface QueryOptions {
  /** At most so many rows. @default all */
  readonly limit?: number
  readonly signal?: AbortSignal
}

/** Rows by column name; 64-bit and wider numbers, decimals, dates and times are text, digit for digit. */
export type Row = { readonly [column: string]: unknown }

/** A result while it is read. */
export interface QueryStream {
  readonly columns: readonly EngineColumn[]
  /** Once only, to its end or until enough. */
  readonly batches: AsyncIterable<readonly Row[]>
}

/** A result in full. */
export interface QueryResult {
  readonly columns: readonly EngineColumn[]
  readonly rows: readonly Row[]
  /** There were more rows than the limit. */
  readonly truncated: boolean
}

/**
 * Runs one reading statement and gives up to `limit` rows of it.
 *
 * @example const { rows } = await runQuery(project, 'SELECT count(*) AS n FROM raw.sales', { limit: 10 })
 * @throws Query.NotReadOnly, Query.Failed
 */
export async function runQuery(project: ReadContext, sql: string, options: QueryOptions = {}): Promise<QueryResult> {
  const limit = options.limit ?? Number.POSITIVE_INFINITY
  return withQuery(project, sql, options, async ({ columns, batches }) => {
    const rows: Row[] = []
    for await (const batch of batches) {
      rows.push(...batch.slice(0, limit + 1 - rows.length))
      if (rows.length > limit) break
    }
    return { columns, rows: rows.length > limit ? rows.slice(0, limit) : rows, truncated: rows.length > limit }
  })
}

/**
 * Runs one reading statement and hands its rows on as they come: for results of any size.
 *
 * @example await withQuery(project, 'FROM raw.sales', {}, async ({ batches }) => { for await (const rows of batches) use(rows) })
 * @throws Query.NotReadOnly, Query.Failed, Lake.FileCorrupt
 */
export async function withQuery<T>(
  project: ReadContext,
  sql: string,
  options: Pick<QueryOptions, 'signal'>,
  use: (stream: QueryStream) => Promise<T>,
): Promise<T> {
  await using session = await openLocked(project, options.signal, { sql })
  await verifyNamed(project, sql)
  try {
    const columns = await columnsOf(session, sql)
    return await use({ columns, batches: session.stream(sql) })
  } catch (error) {
    const words = wordsOf(sql)
    const damaged = (await project.damaged()).find(({ table }) => mayName(words, table))
    if (damaged !== undefined && isSluiceError(error, 'Engine.Failed')) throw damaged.error
    if (isSluiceError(error, 'Engine.Failed'))
      throw sluiceError('Query.Failed', { detail: reason(error) }, { cause: error })
    throw error
  }
}

/**
 * Opens a read session that can reach the lake and the warehouse, and nothing else: no other file, no network, no setting.
 *
 * @param options `sql`: the statement that it is opened for, which is checked, and for which a warehouse on a server is asked
 * @example await using session = await openLocked(project)
 * @throws Query.NotReadOnly, Query.Failed, Query.WarehouseTooLarge, Connection.*
 */
export async function openLocked(
  project: ReadContext,
  signal?: AbortSignal,
  { sql }: { readonly sql?: string } = {},
): Promise<Session> {
  const stop = signal === undefined ? {} : { signal }
  const session = await project.openRead({ runs: sql !== undefined && wordsOf(sql).has('sluice'), ...stop })
  const lake = localLake(project.root, project.definition.config)
  try {
    if (sql !== undefined) await project.readWarehouse(session, { ...(await assertReadOnly(session, sql)), ...stop })
    // The views read Parquet, so file access cannot simply be off: it is confined, and then nothing can be set any more.
    await session.run(`SET allowed_directories = [${quoteText(lake + sep)}]`)
    await session.run('SET enable_external_access = false')
    await session.run('SET lock_configuration = true')
    return session
  } catch (error) {
    await session.close()
    throw error
  }
}

/** A damaged file must not be read as if it were good: whatever table a query may mean is what was committed, byte for byte. */
async function verifyNamed(project: ReadContext, sql: string): Promise<void> {
  const words = wordsOf(sql)
  for (const record of await project.tables()) {
    if (!mayName(words, record.table)) continue
    const records = sql.toLowerCase().includes('__snapshot') ? await project.versions(record.table) : [record]
    for (const one of records) await project.verify(one)
  }
}

/** A table is named by its layer and its name, however they are quoted; `raw.t` is not meant by every `t`. */
function mayName(words: ReadonlySet<string>, table: string): boolean {
  const [layer, name] = table.toLowerCase().split('.') as [string, string]
  const isThere = (part: string): boolean => [...wordsOf(part)].every((word) => words.has(word))
  return isThere(layer) && (isThere(name) || isThere(`${name}__snapshot`))
}

/** Names as the rows have them: DuckDB's client writes a repeated name as `a:1`. */
async function columnsOf(session: Session, sql: string): Promise<readonly EngineColumn[]> {
  // DESCRIBE, SUMMARIZE and SHOW can be described only inside a FROM.
  const isShow = /^\s*(DESCRIBE|DESC|SUMMARIZE|SHOW)\b/i.test(sql)
  const inside = `SELECT * FROM (${sql.trim().replace(/;\s*$/, '')}\n)`
  const columns = await (isShow
    ? session.describe(inside)
    : session.describe(sql).catch((error: unknown) => session.describe(inside).catch(() => Promise.reject(error))))
  const seen = new Map<string, number>()
  return columns.map((column) => {
    const times = seen.get(column.name) ?? 0
    seen.set(column.name, times + 1)
    return times === 0 ? column : { ...column, name: `${column.name}:${times}` }
  })
}

/** The engine's words about the query as it was typed: its columns were asked for with a DESCRIBE before it. */
function reason(error: Error): string {
  return error.message.replace(/^DuckDB reported: /, '').replace(/(LINE 1: )DESCRIBE (.*\n\s*?) {9}(?= *\^)/, '$1$2')
}
