/** What a Parquet file says of itself, without a row being read. */
import type { Field } from '../lake/record.ts'
import { quotePath } from '../sql/quote.ts'
import type { Session } from './engine.ts'
import { writeFieldIds } from './parquet-ids.ts'

/**
 * Reads how many rows a file has.
 *
 * @example const { rows } = await readFooter(session, '/tmp/part-0.parquet')
 * @throws Engine.Failed where it is no Parquet file
 */
export async function readFooter(session: Pick<Session, 'all'>, file: string): Promise<{ readonly rows: number }> {
  const [footer] = await session.all<{ num_rows: string }>(
    `SELECT num_rows FROM parquet_file_metadata(${quotePath(file)})`,
  )
  return { rows: Number(footer?.num_rows) }
}

/**
 * Makes a file one of a table's: its columns get the ids of these fields, and the engine, which reads it then, counts its rows.
 *
 * @example verifyFile: (file, fields) => completeFile(session, file, fields)
 * @param fields All of the file's columns; left out for a file that is no table's data.
 * @throws Lake.FileCorrupt where it has other columns
 */
export async function completeFile(
  session: Pick<Session, 'all'>,
  file: string,
  fields: readonly Field[] | undefined,
): Promise<{ readonly rows: number; readonly hasFieldIds: boolean }> {
  if (fields !== undefined) await writeFieldIds(file, fields)
  return { ...(await readFooter(session, file)), hasFieldIds: fields !== undefined }
}
