/**
 * Change files of AWS DMS, as the rows of a log: files of the first load by their numbers, then files of changes by the times in their names, each in
 * the order of its rows.
 *
 * DMS writes no image from before and no transaction. So a change of a key leaves the old key's row where it was, unless the server's task writes it as
 * a delete and an insert; and a file that never came cannot be seen, for names have no numbers without a gap.
 * Source: AWS DMS, "Using Amazon S3 as a target": LOAD00000001.csv (hexadecimal), 20141029-1134010000.csv.
 */

import { sluiceError } from '../base/errors.ts'
import type { Column, DmsFiles } from '../definition/types.ts'
import type { Session } from '../engines/engine.ts'
import { quoteIdentifier, quoteText } from '../sql/quote.ts'

/** The table's name in the log that is made; there is only one. */
export const dmsTable = 'files'

/**
 * A SELECT of the rows in the columns of a log.
 *
 * @example dmsLogSql('SELECT * FROM files', { op: 'Op' }, columns)
 * @param files a SELECT of the files' rows, with `_file` and `_row`
 */
export function dmsLogSql(
  files: string,
  { op, committedAt }: DmsFiles,
  columns: { readonly [column: string]: Column },
): string {
  const text = (name: string, { type }: Column): string =>
    type === 'binary' ? `lower(hex(${quoteIdentifier(name)}))` : `${quoteIdentifier(name)}::VARCHAR`
  const image = Object.entries(columns).map(([name, column]) => `${quoteText(name)}, ${text(name, column)}`)
  const told = `${quoteIdentifier(op)}::VARCHAR`
  const at =
    committedAt === undefined
      ? 'sluice_file_time'
      : `coalesce(${quoteIdentifier(committedAt)}::TIMESTAMPTZ, sluice_file_time)`
  return `
    SELECT ${quoteText(dmsTable)} AS _table, sluice_op AS _op, 1::BIGINT AS _xid, sluice_place AS _lsn, _row AS _seq,
      sluice_at AS _committed_at, sluice_at + to_microseconds(_row) AS _effective_at, NULL::VARCHAR AS key,
      CASE WHEN sluice_op = 'D' THEN sluice_image END AS before, CASE WHEN sluice_op <> 'D' THEN sluice_image END AS after,
      NULL::VARCHAR AS _unchanged
    FROM (SELECT *, ${at} AS sluice_at FROM (
      SELECT *, json_object(${image.join(', ')})::VARCHAR AS sluice_image,
        CASE WHEN sluice_load <> '' THEN 'S' WHEN upper(${told}) IN ('I', 'U', 'D') THEN upper(${told})
          END AS sluice_op,
        CASE WHEN sluice_load <> '' THEN ('0x' || sluice_load)::BIGINT ELSE rpad(sluice_digits, 18, '0')::BIGINT END AS sluice_place,
        CASE WHEN sluice_load <> '' THEN TIMESTAMPTZ '1970-01-01 00:00:00+00'
          ELSE strptime(left(sluice_digits, 14), '%Y%m%d%H%M%S')::TIMESTAMPTZ END AS sluice_file_time
      FROM (SELECT *, regexp_extract(_file, '(?:^|/)LOAD([0-9A-Fa-f]+)[^/]*$', 1) AS sluice_load,
        replace(regexp_extract(_file, '(\\d{8}-\\d{6,10})[^/]*$', 1), '-', '') AS sluice_digits FROM (${files}))))`
}

/**
 * Looks for a row that does not say what it is.
 *
 * @example await assertDms(session, 'SELECT * FROM files', { op: 'Op' })
 * @throws Changes.OperationUnknown
 */
export async function assertDms(session: Session, files: string, { op }: DmsFiles): Promise<void> {
  const told = `${quoteIdentifier(op)}::VARCHAR`
  const [row] = await session.all<{ file: string; row: string; op: string | null }>(
    `SELECT _file AS file, _row AS row, ${told} AS op FROM (${files})
     WHERE NOT regexp_matches(_file, '(?:^|/)LOAD[0-9A-Fa-f]+[^/]*$') AND coalesce(upper(${told}) NOT IN ('I', 'U', 'D'), true) LIMIT 1`,
  )
  if (row !== undefined) throw sluiceError('Changes.OperationUnknown', { ...row, op: row.op ?? 'nothing' })
}

/** The columns of the files once they are values: how they were written is over. */
export function dmsColumns(columns: { readonly [column: string]: Column }): { readonly [column: string]: Column } {
  return Object.fromEntries(
    Object.entries(columns).map(([name, { type, nullable }]) => [
      name,
      { type, ...(nullable === undefined ? {} : { nullable }) },
    ]),
  )
}
