/** Whether the server publishes the columns that are taken: by the shapes that the log has of a table. */
import { sluiceError } from '../base/errors.ts'
import { suggest } from '../definition/problems/suggest.ts'
import type { Session } from '../engines/engine.ts'
import { quoteText } from '../sql/quote.ts'

/**
 * Columns that a log has ever had of a table; undefined where it has no shape of it, as of files.
 *
 * @example await publishedColumns(session, 'SELECT * FROM log', 'public.customers') // Set { 'id', 'email' }
 */
export async function publishedColumns(
  session: Session,
  log: string,
  table: string,
): Promise<ReadonlySet<string> | undefined> {
  const rows = await session.all<{ shape: string }>(
    `SELECT DISTINCT after AS shape FROM (${log}) WHERE _table = ${quoteText(table)} AND _op = 'R'`,
  )
  if (rows.length === 0) return undefined
  const shapes = rows.map(
    ({ shape }) => JSON.parse(shape) as { readonly columns: readonly { readonly name: string }[] },
  )
  return new Set(shapes.flatMap(({ columns }) => columns.map(({ name }) => name)))
}

/**
 * Refuses to take a column that no shape of the table has had: it would be NULL for ever. One that was dropped since has its earlier values.
 *
 * @example await assertPublishedColumns({ session, table: 'public.customers', columns: ['id', 'emial'], log, fresh })
 * @param given.fresh a SELECT of what is new in the log
 * @throws Changes.ColumnUnpublished
 */
export async function assertPublishedColumns(given: {
  readonly session: Session
  readonly table: string
  /** By their names in the table. */
  readonly columns: readonly string[]
  /** A SELECT of the whole log. */
  readonly log: string
  readonly fresh: string
}): Promise<void> {
  const { session, table, columns, log, fresh } = given
  // What was checked with an earlier shape is in the log still.
  if ((await publishedColumns(session, fresh, table)) === undefined) return
  const published = (await publishedColumns(session, log, table)) ?? new Set()
  const missing = columns.filter((column) => !published.has(column))
  if (missing.length === 0) return
  const known = [...published].sort()
  const meant = missing.flatMap((column) => suggest(column, known) ?? [])
  throw sluiceError('Changes.ColumnUnpublished', { table, missing, known, meant })
}
