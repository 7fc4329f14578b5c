/** Which rows a TRUNCATE takes with it: those that live at its place, by the log. */
import type { Session } from '../engines/engine.ts'

/** What is looked at. */
export interface TruncatedInput {
  readonly session: Session
  /** The chunk's rows: the name of a table with the columns of `logRowsSql`. */
  readonly rows: string
  /** A SELECT of all rows before the chunk, of the same columns. */
  readonly before: string
  /** The name of the table that is made. */
  readonly into: string
}

/**
 * Makes a table of the keys that each TRUNCATE of a chunk deletes.
 *
 * @example await findTruncated({ session, rows, before, into: 'gone' }) // columns `s` (the TRUNCATE's) and `k`
 */
export async function findTruncated({ session, rows, before, into }: TruncatedInput): Promise<void> {
  await session.run(`
    CREATE OR REPLACE TABLE ${into} AS
    WITH moves AS (SELECT k, s, true AS lives FROM (${liveKeysSql(before)}) UNION ALL ${movesSql(rows)}),
      ends AS (SELECT *, lead(s) OVER (PARTITION BY k ORDER BY s) AS next FROM moves),
      truncates AS (SELECT s FROM ${rows} WHERE op = 'T')
    SELECT t.s, e.k FROM ends AS e ASOF JOIN truncates AS t ON e.s < t.s
    WHERE e.lives AND (e.next IS NULL OR e.next > t.s)`)
}

/**
 * A SELECT of the keys that live after all of some rows, each with the place of its last change.
 *
 * @example liveKeysSql(logRowsSql(log, { table: 'public.customers', key: ['id'] }))
 * @param rows a SELECT of the columns of `logRowsSql`
 */
export function liveKeysSql(rows: string): string {
  return `
    WITH seen AS (SELECT s, op, k, was FROM (${rows})),
      last AS (SELECT k, max(s) AS s, arg_max(lives, s) AS lives FROM (${movesSql('seen')})
        WHERE s > (SELECT coalesce(max(s), -1) FROM seen WHERE op = 'T') GROUP BY k)
    SELECT k, s FROM last WHERE lives`
}

/** When keys begin and end to live. */
function movesSql(rows: string): string {
  return `SELECT k, s, op <> 'D' AS lives FROM ${rows} WHERE op <> 'T'
    UNION ALL SELECT was AS k, s, false AS lives FROM ${rows} WHERE was IS NOT NULL`
}
